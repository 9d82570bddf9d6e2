//! NumPy files: one array (NPY) or a zip of named arrays (NPZ).

use std::fs::File;
use std::io::{BufReader, Read, Seek};

use zip::ZipArchive;

use super::RecordingError;
use super::arrays::{Container, Member};
use super::episode_groups::of_keys;
use super::input::Input;
use super::npy::Header;

/// An NPZ file.
pub(super) struct NpzArchive {
    archive: ZipArchive<BufReader<File>>,
    /// Positions of the arrays in the archive.
    places: Vec<usize>,
    members: Vec<Member>,
}

impl NpzArchive {
    /// Reads the headers of all arrays.
    pub(super) fn open(input: &mut Input) -> Result<Self, RecordingError> {
        let file = input.handle()?;
        let corrupt = |reason: String| RecordingError::Corrupt {
            file: input.name.clone(),
            format: "NPZ",
            reason,
        };
        let mut archive =
            ZipArchive::new(BufReader::new(file)).map_err(|fault| corrupt(fault.to_string()))?;
        let (mut places, mut members) = (Vec::new(), Vec::<Member>::new());
        for index in 0..archive.len() {
            let mut member = archive
                .by_index(index)
                .map_err(|fault| corrupt(fault.to_string()))?;
            let file_name = member
                .name()
                .map_err(|fault| corrupt(fault.to_string()))?
                .into_owned();
            let Some(name) = file_name.strip_suffix(".npy") else {
                continue;
            };
            let header = Header::read(&mut member)
                .map_err(|reason| corrupt(format!("array {name}: {reason}")))?;
            places.push(index);
            members.push(Member {
                name: name.to_owned(),
                episode: None,
                header,
            });
        }
        if let Some((place, paths)) = of_keys(members.iter().map(|member| member.name.as_str())) {
            for (member, path) in members.iter_mut().zip(&paths) {
                if let (Some(episode), name) = place.split(path) {
                    member.episode = Some(episode);
                    member.name = name;
                }
            }
            let mut order: Vec<usize> = (0..members.len()).collect();
            order.sort_by_key(|&at| place.order(&paths[at]));
            places = order.iter().map(|&at| places[at]).collect();
            members = order.iter().map(|&at| members[at].clone()).collect();
        }
        Ok(Self {
            archive,
            places,
            members,
        })
    }
}

impl Container for NpzArchive {
    fn format(&self) -> &'static str {
        "NPZ"
    }

    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    fn values(&mut self, member: usize) -> Result<Box<dyn Read + '_>, String> {
        let mut values = self
            .archive
            .by_index(self.places[member])
            .map_err(|fault| fault.to_string())?;
        Header::read(&mut values)?;
        Ok(Box::new(values))
    }
}

/// An NPY file.
pub(super) struct NpyFile {
    reader: BufReader<File>,
    header: Header,
}

impl NpyFile {
    /// Reads the header.
    pub(super) fn open(input: &mut Input) -> Result<Self, RecordingError> {
        let mut reader = BufReader::new(input.handle()?);
        let header = Header::read(&mut reader).map_err(|reason| RecordingError::Corrupt {
            file: input.name.clone(),
            format: "NPY",
            reason,
        })?;
        Ok(Self { reader, header })
    }
}

impl Container for NpyFile {
    fn format(&self) -> &'static str {
        "NPY"
    }

    fn members(&self) -> Vec<Member> {
        vec![Member {
            name: "array".to_owned(),
            episode: None,
            header: self.header.clone(),
        }]
    }

    fn values(&mut self, _: usize) -> Result<Box<dyn Read + '_>, String> {
        self.reader.rewind().map_err(|fault| fault.to_string())?;
        Header::read(&mut self.reader)?;
        Ok(Box::new(&mut self.reader))
    }

    fn has_names(&self) -> bool {
        false
    }
}

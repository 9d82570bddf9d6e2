//! HDF5 files: datasets in groups, one group an episode in those of Minari and others; variables in
//! those of MATLAB 7.3.

use std::io::{Cursor, Read};
use std::sync::Arc;

use hdf5_reader::error::Error;
use hdf5_reader::group::Group;
use hdf5_reader::storage::FileStorage;
use hdf5_reader::{ByteOrder, Dataset, Datatype, Hdf5File, OpenOptions};

use super::RecordingError;
use super::arrays::{Container, Member};
use super::episode_groups::Place;
use super::input::Input;
use super::npy::{Element, ElementKind, Header};
use crate::guard;

/// Groups in groups that are looked into.
const DEEPEST: usize = 8;
/// Datasets that are looked at.
const MAX_DATASETS: usize = 1 << 20;
/// An HDF5 file whose datasets have been listed.
pub(super) struct Hdf5Container {
    datasets: Vec<Dataset>,
    members: Vec<Member>,
}

impl Hdf5Container {
    pub(super) fn open(input: &mut Input) -> Result<Self, RecordingError> {
        let start = input.start(20)?;
        let file = input.handle()?;
        let bounds = input.bounds;
        let corrupt = |reason: String| RecordingError::Corrupt {
            file: input.name.clone(),
            format: "HDF5",
            reason: reason.lines().next().unwrap_or("damaged").to_owned(),
        };
        let options = OpenOptions {
            max_chunk_bytes: bounds.memory(),
            max_read_bytes: bounds.memory(),
            ..OpenOptions::default()
        };
        let listed = guard::catch(|| {
            let storage = Arc::new(FileStorage::from_file(file)?);
            let file = Hdf5File::from_storage_with_options(storage, options)?;
            let mut found = Vec::new();
            list(&file.root_group()?, &[], &mut found)?;
            Ok(found)
        });
        let listed: Result<Vec<(Vec<String>, Dataset)>, Error> = listed.map_err(corrupt)?;
        let mut listed = listed.map_err(|fault| corrupt(fault.to_string()))?;
        let paths: Vec<Vec<String>> = listed.iter().map(|(path, _)| path.clone()).collect();
        let place = Place::of(&paths);
        if let Some(place) = &place {
            listed.sort_by_key(|(path, _)| place.order(path));
        }
        let is_matlab = start.starts_with(b"MATLAB 7.3");
        let members = listed.iter().map(|(path, dataset)| {
            let (episode, name) = match &place {
                Some(place) => place.split(path),
                None => (None, path.join("/")),
            };
            Member {
                name,
                episode,
                header: header(dataset, is_matlab),
            }
        });
        Ok(Self {
            members: members.collect(),
            datasets: listed.into_iter().map(|(_, dataset)| dataset).collect(),
        })
    }
}

impl Container for Hdf5Container {
    fn format(&self) -> &'static str {
        "HDF5"
    }

    fn members(&self) -> Vec<Member> {
        self.members.clone()
    }

    fn values(&mut self, member: usize) -> Result<Box<dyn Read + '_>, String> {
        let bytes = guard::catch(|| self.datasets[member].read_raw_bytes())?;
        Ok(Box::new(Cursor::new(
            bytes.map_err(|fault| fault.to_string())?,
        )))
    }
}

/// All datasets of a group and those in it, with their paths.
fn list(
    group: &Group,
    path: &[String],
    found: &mut Vec<(Vec<String>, Dataset)>,
) -> Result<(), Error> {
    let (groups, datasets) = group.members()?;
    for dataset in datasets {
        found.push(([path, &[dataset.name().to_owned()]].concat(), dataset));
    }
    for group in groups {
        // Of MATLAB's, it holds what other variables refer to.
        let is_hidden = group.name().starts_with('#');
        if path.len() < DEEPEST && found.len() < MAX_DATASETS && !is_hidden {
            list(&group, &[path, &[group.name().to_owned()]].concat(), found)?;
        }
    }
    Ok(())
}

fn header(dataset: &Dataset, is_matlab: bool) -> Header {
    let mut shape = dataset.shape().to_vec();
    if is_matlab {
        // The same values, but rows run fastest; a vector is a matrix of one column or row.
        if matches!(shape[..], [1, _] | [_, 1]) {
            shape.retain(|&length| length != 1);
        }
        shape.reverse();
    }
    Header {
        element: element(dataset.dtype()),
        fortran: is_matlab,
        shape,
    }
}

fn element(datatype: &Datatype) -> Result<Element, String> {
    let (kind, size, order) = match datatype {
        Datatype::FixedPoint {
            size,
            signed,
            byte_order,
        } => match signed {
            true => (ElementKind::Signed, *size, byte_order),
            false => (ElementKind::Unsigned, *size, byte_order),
        },
        Datatype::FloatingPoint { size, byte_order } => (ElementKind::Float, *size, byte_order),
        // What h5py makes of truth values.
        Datatype::Enum { base, .. } => return element(base),
        Datatype::String { .. } | Datatype::VarLen { .. } => return Err("text".to_owned()),
        Datatype::Compound { .. } => {
            return Err("a table of named fields, a compound type as pandas to_hdf writes; save one dataset per field, or write the table as Parquet".to_owned());
        }
        _ => return Err("no numbers".to_owned()),
    };
    let big_endian = matches!(order, ByteOrder::BigEndian);
    Element::new(kind, usize::from(size), big_endian)
        .ok_or_else(|| "numbers of an unusual size; save them as float64".to_owned())
}

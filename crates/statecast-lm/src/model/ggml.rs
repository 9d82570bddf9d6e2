//! The block formats of ggml as integers with scales and offsets.
//!
//! Layouts as in <https://github.com/ggml-org/ggml/blob/master/src/ggml-common.h>: values of a row
//! come in blocks of 32 or 256, each with its scales in front of its integers or after.

use candle_core::Result;
use candle_core::quantized::{GgmlDType, QTensor};
use half::f16;

use crate::kernel::Integers;

/// A format's block: the values of a run share a scale.
struct Layout {
    run: usize,
    nibbles: bool,
    offsets: bool,
    read: fn(&[u8], &mut Runs),
}

fn layout(format: GgmlDType) -> Option<Layout> {
    let (run, nibbles, offsets, read): (_, _, _, fn(&[u8], &mut Runs)) = match format {
        GgmlDType::Q4_0 => (32, true, true, q4_0),
        GgmlDType::Q4_1 => (32, true, true, q4_1),
        GgmlDType::Q5_0 => (32, false, false, q5_0),
        GgmlDType::Q5_1 => (32, false, true, q5_1),
        GgmlDType::Q8_0 => (32, false, false, q8_0),
        GgmlDType::Q2K => (16, true, true, q2_k),
        GgmlDType::Q3K => (16, false, false, q3_k),
        GgmlDType::Q4K => (32, true, true, q4_k),
        GgmlDType::Q5K => (32, false, true, q5_k),
        GgmlDType::Q6K => (16, false, false, q6_k),
        _ => return None,
    };
    Some(Layout {
        run,
        nibbles,
        offsets,
        read,
    })
}

/// A matrix in one of the formats that the kernels take.
pub(super) fn integers(matrix: &QTensor) -> Result<Option<Integers>> {
    let format = matrix.dtype();
    let (out, input) = matrix.shape().dims2()?;
    let Some(layout) = layout(format) else {
        return Ok(None);
    };
    let mut runs = Runs::default();
    runs.quants.reserve_exact(out * input);
    for block in matrix.data()?.chunks_exact(format.type_size()) {
        (layout.read)(block, &mut runs);
    }
    Ok(Some(Integers {
        input,
        run: layout.run,
        quants: runs.quants,
        nibbles: layout.nibbles,
        scales: runs.scales,
        offsets: runs.offsets,
    }))
}

/// Returns the packed bytes of a number of values of a format.
pub(super) fn packed_bytes(format: GgmlDType, values: usize) -> Option<usize> {
    let layout = layout(format)?;
    let quants = if layout.nibbles { values / 2 } else { values };
    let floats = if layout.offsets { 2 } else { 1 };
    Some(quants + values / layout.run * floats * size_of::<f32>())
}

/// Values `scale q - offset`.
#[derive(Default)]
struct Runs {
    quants: Vec<i8>,
    scales: Vec<f32>,
    offsets: Vec<f32>,
}

impl Runs {
    fn push(&mut self, scale: f32, quants: impl IntoIterator<Item = i8>) {
        self.scales.push(scale);
        self.quants.extend(quants);
    }

    fn push_offset(&mut self, scale: f32, offset: f32, quants: impl IntoIterator<Item = i8>) {
        self.push(scale, quants);
        self.offsets.push(offset);
    }
}

/// The half-precision number at a place.
fn half(block: &[u8], at: usize) -> f32 {
    f16::from_le_bytes([block[at], block[at + 1]]).to_f32()
}

/// Lower, then upper halves of bytes.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let upper = bytes.iter().map(|byte| byte >> 4);
    bytes.iter().map(|byte| byte & 15).chain(upper)
}

fn q4_0(block: &[u8], runs: &mut Runs) {
    let scale = half(block, 0);
    runs.push_offset(scale, 8.0 * scale, nibbles(&block[2..]).map(|q| q as i8));
}

fn q4_1(block: &[u8], runs: &mut Runs) {
    let quants = nibbles(&block[4..]).map(|q| q as i8);
    runs.push_offset(half(block, 0), -half(block, 2), quants);
}

/// Five bits each: the fifth ones first, then nibbles.
fn fives(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let fifth = u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
    let quants = nibbles(&bytes[4..]).enumerate();
    quants.map(move |(i, q)| q | ((fifth >> i & 1) as u8) << 4)
}

fn q5_0(block: &[u8], runs: &mut Runs) {
    runs.push(half(block, 0), fives(&block[2..]).map(|q| q as i8 - 16));
}

fn q5_1(block: &[u8], runs: &mut Runs) {
    let quants = fives(&block[4..]).map(|q| q as i8);
    runs.push_offset(half(block, 0), -half(block, 2), quants);
}

fn q8_0(block: &[u8], runs: &mut Runs) {
    runs.push(half(block, 0), block[2..].iter().map(|&q| q as i8));
}

/// Two bits each, of 128 values from 32 bytes: the lowest bits of all bytes first.
fn twos(bytes: &[u8]) -> impl Iterator<Item = u8> {
    let halves = bytes.chunks(32);
    halves.flat_map(|half| {
        (0..8)
            .step_by(2)
            .flat_map(move |shift| half.iter().map(move |byte| byte >> shift & 3))
    })
}

fn q2_k(block: &[u8], runs: &mut Runs) {
    let (scales, rest) = block.split_at(16);
    let (scale, offset) = (half(rest, 64), half(rest, 66));
    let quants: Vec<i8> = twos(&rest[..64]).map(|q| q as i8).collect();
    for (bits, quants) in scales.iter().zip(quants.chunks(16)) {
        let (scale, offset) = (scale * f32::from(bits & 15), offset * f32::from(bits >> 4));
        runs.push_offset(scale, offset, quants.iter().copied());
    }
}

/// The third bits come first, those of all runs of 32 values in the same 32 bytes; a third bit of
/// zero takes 4. Of the scales' six bits, the upper two stand after the lower four.
fn q3_k(block: &[u8], runs: &mut Runs) {
    let (thirds, rest) = block.split_at(32);
    let (quants, bits) = rest.split_at(64);
    let quants: Vec<i8> = (twos(quants).enumerate())
        .map(|(i, q)| {
            q as i8
                - if thirds[i % 32] >> (i / 32) & 1 == 1 {
                    0
                } else {
                    4
                }
        })
        .collect();
    for (run, quants) in quants.chunks(16).enumerate() {
        let lower = bits[run % 8] >> (run / 8 * 4) & 15;
        let upper = bits[8 + run % 4] >> (run / 4 * 2) & 3;
        let scale = f32::from((lower | upper << 4) as i8 - 32);
        runs.push(half(bits, 12) * scale, quants.iter().copied());
    }
}

/// Scales and offsets of eight runs: six bits each, of the last four runs the upper two bits in
/// those of the first.
fn sixes(block: &[u8]) -> [(f32, f32); 8] {
    let (scale, offset, bits) = (half(block, 0), half(block, 2), &block[4..16]);
    std::array::from_fn(|run| {
        let (scales, offsets) = match run {
            0..4 => (bits[run] & 63, bits[run + 4] & 63),
            _ => (
                bits[run + 4] & 15 | bits[run - 4] >> 6 << 4,
                bits[run + 4] >> 4 | bits[run] >> 6 << 4,
            ),
        };
        (scale * f32::from(scales), offset * f32::from(offsets))
    })
}

fn q4_k(block: &[u8], runs: &mut Runs) {
    let halves = block[16..].chunks(32);
    for (scales, bytes) in sixes(block).chunks(2).zip(halves) {
        let quants: Vec<i8> = nibbles(bytes).map(|q| q as i8).collect();
        for (&(scale, offset), quants) in scales.iter().zip(quants.chunks(32)) {
            runs.push_offset(scale, offset, quants.iter().copied());
        }
    }
}

fn q5_k(block: &[u8], runs: &mut Runs) {
    let (fifth, fours) = block[16..].split_at(32);
    let quants: Vec<u8> = fours.chunks(32).flat_map(nibbles).collect();
    for (run, (&(scale, offset), quants)) in sixes(block).iter().zip(quants.chunks(32)).enumerate()
    {
        let quants = quants.iter().zip(fifth);
        let quants = quants.map(|(q, fifth)| (q | (fifth >> run & 1) << 4) as i8);
        runs.push_offset(scale, offset, quants);
    }
}

fn q6_k(block: &[u8], runs: &mut Runs) {
    let (fours, rest) = block.split_at(128);
    let (twos, rest) = rest.split_at(64);
    let (scales, factor) = (&rest[..16], half(rest, 16));
    let mut quants = Vec::with_capacity(256);
    for (fours, twos) in fours.chunks(64).zip(twos.chunks(32)) {
        let upper = (0..4).flat_map(|i| twos.iter().map(move |byte| byte >> (2 * i) & 3));
        quants.extend(
            nibbles(fours)
                .zip(upper)
                .map(|(q, upper)| (q | upper << 4) as i8 - 32),
        );
    }
    for (&scale, quants) in scales.iter().zip(quants.chunks(16)) {
        runs.push(factor * f32::from(scale as i8), quants.iter().copied());
    }
}

#[cfg(test)]
mod tests {
    use candle_core::{Device, Tensor};

    use super::*;

    #[test]
    fn blocks_are_what_the_tensor_library_widens_them_to() {
        let floats = Tensor::randn(0f32, 1.0, (3, 512), &Device::Cpu).unwrap();
        for format in [
            GgmlDType::Q4_0,
            GgmlDType::Q4_1,
            GgmlDType::Q5_0,
            GgmlDType::Q5_1,
            GgmlDType::Q8_0,
            GgmlDType::Q2K,
            GgmlDType::Q3K,
            GgmlDType::Q4K,
            GgmlDType::Q5K,
            GgmlDType::Q6K,
        ] {
            let matrix = QTensor::quantize(&floats, format).unwrap();
            let wide = matrix.dequantize(&Device::Cpu).unwrap();
            let wide: Vec<f32> = wide.flatten_all().unwrap().to_vec1().unwrap();
            let found = integers(&matrix).unwrap().unwrap();
            assert_eq!(found.quants.len(), wide.len());
            for (i, (&quant, expected)) in found.quants.iter().zip(wide).enumerate() {
                let run = i / found.run;
                let offset = found.offsets.get(run).unwrap_or(&0.0);
                let value = found.scales[run].mul_add(f32::from(quant), -offset);
                let error = (value - expected).abs();
                assert!(error <= 1e-6, "{format:?} {i}: {value} {expected}");
                assert!(
                    !found.nibbles || (0..16).contains(&quant),
                    "{format:?}: {quant}"
                );
            }
            let packed = packed_bytes(format, 3 * 512).unwrap();
            let floats = found.scales.len() + found.offsets.len();
            let quants = if found.nibbles { 3 * 256 } else { 3 * 512 };
            assert_eq!(packed, quants + 4 * floats);
        }
    }
}

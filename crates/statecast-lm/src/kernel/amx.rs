//! Products by the matrix unit (AMX) of some server processors: one instruction multiplies tiles of up to sixteen rows
//! by sixteen columns by 32 inputs of BF16, summed in F32.

#![allow(unsafe_code)]

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count, _xgetbv};
use std::marker::PhantomData;

use super::tiles::{DEPTH, PANEL, TILE};

/// Whether the processor has the unit and the operating system lends it to this process, which asks for it here.
pub(super) fn is_available() -> bool {
    /// `ARCH_REQ_XCOMP_PERM` of Linux: the process asks for a part of the processor's state.
    const REQUEST: libc::c_int = 0x1023;
    /// The registers of the unit, and with their shapes: as bits of `XCR0`.
    const TILES: libc::c_int = 18;
    const STATE: u64 = 0b11 << 17;
    let bit = |register: u32, bit: u32| register >> bit & 1 == 1;
    let saved = bit(__cpuid(1).ecx, 27);
    let found = __cpuid_count(7, 0).edx;
    if !(saved && bit(found, 22) && bit(found, 24)) {
        return false;
    }
    // SAFETY: the processor has the instruction, as bit 27 says.
    if unsafe { read_state() } & STATE != STATE {
        return false;
    }
    // SAFETY: the call takes two numbers and touches no memory of ours.
    unsafe { libc::syscall(libc::SYS_arch_prctl, REQUEST, TILES) == 0 }
}

#[target_feature(enable = "xsave")]
fn read_state() -> u64 {
    // SAFETY: register 0 is there wherever the instruction is.
    unsafe { _xgetbv(0) }
}

/// Shapes of the eight registers: rows, and bytes of each.
#[repr(C, align(64))]
struct Shapes {
    palette: u8,
    start: u8,
    reserved: [u8; 14],
    bytes: [u16; 16],
    rows: [u8; 16],
}

/// The unit of this thread: set up for tiles of some rows when first used, released in the end.
pub(super) struct Unit {
    rows: usize,
    /// What was set up belongs to one thread.
    thread: PhantomData<*const ()>,
}

impl Unit {
    pub(super) fn new() -> Self {
        Self {
            rows: 0,
            thread: PhantomData,
        }
    }

    /// Registers 0 and 1 are sums, 2 and 3 weights, 4 and 5 activations.
    fn set_up(&mut self, rows: usize) {
        if self.rows == rows {
            return;
        }
        let of_rows = rows as u8;
        let mut shapes = Shapes {
            palette: 1,
            start: 0,
            reserved: [0; 14],
            bytes: [0; 16],
            rows: [0; 16],
        };
        shapes.bytes[..6].fill(64);
        shapes.rows[..6].copy_from_slice(&[of_rows, of_rows, 16, 16, of_rows, of_rows]);
        // SAFETY: matrices for the unit are only packed where it is available; the shapes are 64 bytes and valid.
        unsafe { asm!("ldtilecfg [{}]", in(reg) &shapes, options(nostack, readonly)) }
        self.rows = rows;
    }

    /// Up to `TILE` rows `[rows, depth]` of pairs times `b` `[depth, PANEL]`, into the first rows of `to`; `depth` is a
    /// multiple of [`DEPTH`]. With `low`, rows are sums of both.
    pub(super) fn product(
        &mut self,
        rows: usize,
        high: &[u32],
        low: Option<&[u32]>,
        b: &[[u32; PANEL]],
        to: &mut [[f32; PANEL]; TILE],
    ) {
        debug_assert!(super::features() >= super::Features::Amx);
        let depth = b.len();
        assert!(depth > 0 && depth.is_multiple_of(DEPTH) && (1..=TILE).contains(&rows));
        assert!(high.len() == rows * depth && low.is_none_or(|low| low.len() == high.len()));
        self.set_up(rows);
        let (b, high, to) = (b.as_ptr(), high.as_ptr(), to.as_mut_ptr());
        let (row, panel, steps) = (4 * depth, 4 * PANEL, depth / DEPTH);
        match low {
            // SAFETY: as asserted, every step reads 16 of the rows of `b` and 64 bytes of each of the rows of
            // activations, and `TILE` rows of `PANEL` floats can be written.
            None => unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "2:",
                    "tileloadd tmm2, [{b} + {panel}]",
                    "tileloadd tmm3, [{b} + {panel} + 64]",
                    "tileloadd tmm4, [{high} + {row}]",
                    "tdpbf16ps tmm0, tmm4, tmm2",
                    "tdpbf16ps tmm1, tmm4, tmm3",
                    "add {b}, 2048",
                    "add {high}, 64",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{to} + {panel}], tmm0",
                    "tilestored [{to} + {panel} + 64], tmm1",
                    b = inout(reg) b => _,
                    high = inout(reg) high => _,
                    steps = inout(reg) steps => _,
                    to = in(reg) to,
                    row = in(reg) row,
                    panel = in(reg) panel,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _,
                    options(nostack)
                )
            },
            // SAFETY: the same.
            Some(low) => unsafe {
                asm!(
                    "tilezero tmm0",
                    "tilezero tmm1",
                    "2:",
                    "tileloadd tmm2, [{b} + {panel}]",
                    "tileloadd tmm3, [{b} + {panel} + 64]",
                    "tileloadd tmm4, [{high} + {row}]",
                    "tileloadd tmm5, [{low} + {row}]",
                    "tdpbf16ps tmm0, tmm4, tmm2",
                    "tdpbf16ps tmm1, tmm4, tmm3",
                    "tdpbf16ps tmm0, tmm5, tmm2",
                    "tdpbf16ps tmm1, tmm5, tmm3",
                    "add {b}, 2048",
                    "add {high}, 64",
                    "add {low}, 64",
                    "dec {steps}",
                    "jnz 2b",
                    "tilestored [{to} + {panel}], tmm0",
                    "tilestored [{to} + {panel} + 64], tmm1",
                    b = inout(reg) b => _,
                    high = inout(reg) high => _,
                    low = inout(reg) low.as_ptr() => _,
                    steps = inout(reg) steps => _,
                    to = in(reg) to,
                    row = in(reg) row,
                    panel = in(reg) panel,
                    out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _, out("tmm4") _, out("tmm5") _,
                    options(nostack)
                )
            },
        }
    }
}

impl Drop for Unit {
    fn drop(&mut self) {
        if self.rows > 0 {
            // SAFETY: the unit is there, as it was set up.
            unsafe { asm!("tilerelease", options(nomem, nostack, preserves_flags)) }
        }
    }
}

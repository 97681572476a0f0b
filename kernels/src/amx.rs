//! Kernels for AMX: tiles of 16 rows of 64 bytes.
//!
//! The instructions are written in assembly, because Rust's functions for them are not stable. Those of a block are
//! in one piece of assembly, so that no tile has to keep its content from one piece to the next. The configuration of
//! the tiles is remembered while a product runs, so a caller's code that receives the product must not use AMX by
//! other means; it may compute other products.

use std::arch::asm;
use std::arch::x86_64::{__cpuid, __cpuid_count};
use std::cell::Cell;
use std::marker::PhantomData;
use std::sync::OnceLock;

use crate::kernel::{Job, Tile};
use crate::line::Line;
use crate::tiles::{self, Block, Place, ROWS, Tiles};

pub(crate) fn has_int8() -> bool {
    has(25) && permitted()
}

pub(crate) fn has_bf16() -> bool {
    has(22) && permitted()
}

/// Returns whether the CPU has tiles and the feature at `bit` of leaf 7, and the system saves the tiles of threads.
fn has(bit: u32) -> bool {
    const TILES: u32 = 24;
    const OSXSAVE: u32 = 27;
    const TILE_STATES: u32 = 0b11 << 17;
    if __cpuid(0).eax < 7 || __cpuid(1).ecx >> OSXSAVE & 1 == 0 {
        return false;
    }
    let features = __cpuid_count(7, 0).edx;
    let states: u32;
    // SAFETY: the system has set OSXSAVE, so this register may be read.
    unsafe { asm!("xgetbv", in("ecx") 0, out("eax") states, out("edx") _, options(nomem, nostack)) };
    features >> TILES & 1 == 1 && features >> bit & 1 == 1 && states & TILE_STATES == TILE_STATES
}

/// Returns whether the system lets this process use tiles. It is asked once
/// (<https://docs.kernel.org/arch/x86/xstate.html>), and may refuse. From then on it refuses signal stacks that are
/// too small to save tiles.
fn permitted() -> bool {
    const ARCH_PRCTL: i64 = 158;
    const REQUEST_PERMISSION: i64 = 0x1023;
    const TILE_DATA: i64 = 18;
    static PERMITTED: OnceLock<bool> = OnceLock::new();
    *PERMITTED.get_or_init(|| {
        let result: i64;
        // SAFETY: this system call reads and writes no memory of the process, and a system that does not know it
        // returns an error. The system changes rcx and r11, which are declared as outputs.
        unsafe {
            asm!(
                "syscall",
                inlateout("rax") ARCH_PRCTL => result,
                in("rdi") REQUEST_PERMISSION,
                in("rsi") TILE_DATA,
                lateout("rcx") _,
                lateout("r11") _,
                options(nostack),
            );
        }
        result == 0
    })
}

/// # Safety
/// [`has_int8`] is true, and `job` fits.
pub(crate) unsafe fn int8(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, i32>)) {
    let _session = Session::new();
    // SAFETY: the caller guarantees that tiles may be used and `job` fits; `_session` is alive.
    unsafe { tiles::multiply::<Int8>(job, each) }
}

/// # Safety
/// [`has_bf16`] is true, and `job` fits.
pub(crate) unsafe fn bf16(job: &Job<'_>, each: &mut dyn FnMut(Tile<'_, f32>)) {
    let _session = Session::new();
    // SAFETY: the caller guarantees that tiles may be used and `job` fits; `_session` is alive.
    unsafe { tiles::multiply::<Bf16>(job, each) }
}

/// # Safety
/// [`has_int8`] is true, and `job` and `to` fit.
pub(crate) unsafe fn place_int8(job: &Job<'_>, to: Place<i32>) {
    let _session = Session::new();
    // SAFETY: the caller guarantees that tiles may be used, and that `job` and `to` fit; `_session` is alive.
    unsafe { tiles::place::<Int8>(job, to) }
}

/// # Safety
/// [`has_bf16`] is true, and `job` and `to` fit.
pub(crate) unsafe fn place_bf16(job: &Job<'_>, to: Place<f32>) {
    let _session = Session::new();
    // SAFETY: the caller guarantees that tiles may be used, and that `job` and `to` fit; `_session` is alive.
    unsafe { tiles::place::<Bf16>(job, to) }
}

#[derive(Clone, Copy)]
struct State {
    /// The number of [`Session`] values that are alive.
    sessions: usize,
    /// The rows of the tiles for values and sums, or 0 if none are configured.
    rows: usize,
}

thread_local! {
    /// The state of the tiles of this thread.
    static STATE: Cell<State> = const { Cell::new(State { sessions: 0, rows: 0 }) };
}

/// A guard of the products on this thread that use tiles. The last one releases the tiles, so that the system need
/// not save them any longer.
#[derive(Debug)]
pub(crate) struct Session(PhantomData<*const ()>);

impl Session {
    pub(crate) fn new() -> Self {
        let state = STATE.get();
        STATE.set(State { sessions: state.sessions + 1, ..state });
        Self(PhantomData)
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        let State { sessions, rows } = STATE.get();
        let last = sessions == 1;
        STATE.set(State { sessions: sessions - 1, rows: if last { 0 } else { rows } });
        if last && rows > 0 {
            // SAFETY: tiles were configured on this thread, so the CPU has them. None is in use outside a block.
            unsafe { asm!("tilerelease", options(nomem, nostack)) };
        }
    }
}

/// The operand of `ldtilecfg` (Intel's manual, volume 1, chapter 18).
#[repr(C, align(64))]
struct Configuration {
    palette: u8,
    start_row: u8,
    reserved: [u8; 14],
    row_bytes: [u16; 16],
    rows: [u8; 16],
}

/// Configures the tiles of this thread for blocks of `rows` rows, 1 to 16 or exactly 32: tiles 0 to 3 for sums, 4 and 5
/// for values, 6 and 7 for weights.
///
/// # Safety
/// The CPU has tiles, this process may use them, and a [`Session`] is alive.
unsafe fn configure(rows: usize) {
    let rows = rows.min(ROWS);
    let state = STATE.get();
    if state.rows == rows {
        return;
    }
    let (mut heights, mut widths) = ([0; 16], [0; 16]);
    heights[..6].fill(rows as u8);
    heights[6..8].fill(ROWS as u8);
    widths[..8].fill(Line::BYTES as u16);
    let configuration =
        Configuration { palette: 1, start_row: 0, reserved: [0; 14], row_bytes: widths, rows: heights };
    // SAFETY: the caller guarantees that tiles may be used; the configuration is 64 bytes, and valid. No tile is in
    // use outside a block.
    unsafe { asm!("ldtilecfg [{}]", in(reg) &raw const configuration, options(nostack, readonly)) };
    STATE.set(State { rows, ..state });
}

/// Defines tiles whose products are added up by the instruction `dot`.
macro_rules! tiles {
    ($name:ident, $sum:ty, $dot:literal) => {
        struct $name;

        impl Tiles for $name {
            type Sum = $sum;

            unsafe fn block(block: &Block, to: Place<$sum>) {
                let stride = block.stride * Line::BYTES;
                let row = to.stride * size_of::<$sum>();
                // SAFETY: the caller guarantees that tiles may be used, the rows and panels may be read, and the sums
                // written. Tiles are configured for the rows of the block, and cover these rows and all lines of a
                // panel. A block of more than 16 rows has 32, so its lower 16 rows and their sums exist.
                unsafe {
                    configure(block.rows);
                    if block.rows > ROWS {
                        asm!(
                            "tilezero tmm0",
                            "tilezero tmm1",
                            "tilezero tmm2",
                            "tilezero tmm3",
                            "2:",
                            "tileloadd tmm4, [{values} + {stride} * 1]",
                            "tileloadd tmm6, [{left} + {line} * 1]",
                            concat!($dot, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm7, [{right} + {line} * 1]",
                            concat!($dot, " tmm1, tmm4, tmm7"),
                            "tileloadd tmm5, [{lower_values} + {stride} * 1]",
                            concat!($dot, " tmm2, tmm5, tmm6"),
                            concat!($dot, " tmm3, tmm5, tmm7"),
                            "add {values}, 64",
                            "add {lower_values}, 64",
                            "add {left}, 1024",
                            "add {right}, 1024",
                            "dec {steps}",
                            "jnz 2b",
                            "tilestored [{sums} + {row} * 1], tmm0",
                            "tilestored [{sums} + {row} * 1 + 64], tmm1",
                            "tilestored [{lower_sums} + {row} * 1], tmm2",
                            "tilestored [{lower_sums} + {row} * 1 + 64], tmm3",
                            values = inout(reg) block.values => _,
                            lower_values = inout(reg) block.values.add(ROWS * block.stride) => _,
                            left = inout(reg) block.weights[0] => _,
                            right = inout(reg) block.weights[1] => _,
                            steps = inout(reg) block.stride => _,
                            stride = in(reg) stride,
                            line = in(reg) Line::BYTES,
                            row = in(reg) row,
                            sums = in(reg) to.sums,
                            lower_sums = in(reg) to.sums.add(ROWS * to.stride),
                            out("tmm0") _, out("tmm1") _, out("tmm2") _, out("tmm3") _,
                            out("tmm4") _, out("tmm5") _, out("tmm6") _, out("tmm7") _,
                            options(nostack),
                        );
                    } else {
                        asm!(
                            "tilezero tmm0",
                            "tilezero tmm1",
                            "2:",
                            "tileloadd tmm4, [{values} + {stride} * 1]",
                            "tileloadd tmm6, [{left} + {line} * 1]",
                            concat!($dot, " tmm0, tmm4, tmm6"),
                            "tileloadd tmm7, [{right} + {line} * 1]",
                            concat!($dot, " tmm1, tmm4, tmm7"),
                            "add {values}, 64",
                            "add {left}, 1024",
                            "add {right}, 1024",
                            "dec {steps}",
                            "jnz 2b",
                            "tilestored [{sums} + {row} * 1], tmm0",
                            "tilestored [{sums} + {row} * 1 + 64], tmm1",
                            values = inout(reg) block.values => _,
                            left = inout(reg) block.weights[0] => _,
                            right = inout(reg) block.weights[1] => _,
                            steps = inout(reg) block.stride => _,
                            stride = in(reg) stride,
                            line = in(reg) Line::BYTES,
                            row = in(reg) row,
                            sums = in(reg) to.sums,
                            out("tmm0") _, out("tmm1") _, out("tmm4") _, out("tmm6") _, out("tmm7") _,
                            options(nostack),
                        );
                    }
                }
            }
        }
    };
}

tiles!(Int8, i32, "tdpbusd");
tiles!(Bf16, f32, "tdpbf16ps");

#[cfg(feature = "libtorch")]
use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

#[cfg(feature = "libtorch")]
use crate::error::{Error, ErrorKind};
use crate::names::named;

/// The number format of matrix products.
///
/// ONNX graphs compute in their own format, regardless of this setting.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Precision {
    /// 32-bit floats: the reference, and libtorch's default.
    F32,
    /// 16-bit floats, meant for CUDA devices. Only libtorch computes in them.
    #[cfg(feature = "libtorch")]
    F16,
    /// bfloat16, accumulated in 32 bits: close to the results of [`F32`](Self::F32). For CPUs with AMX, and AMD CPUs
    /// with AVX-512 BF16. Elsewhere values are rounded to bfloat16 and multiplied in f32, a little slower than
    /// [`F32`](Self::F32). Only the native backend computes in it.
    Bf16,
    /// 8-bit integers: weights with one scale per output channel, activations with one scale per token,
    /// chosen at run time. The native backend's default, and faster than [`F32`](Self::F32), most of all
    /// where the CPU has VNNI. Only the native backend computes in them.
    Int8,
}

/// The code that runs models. Everything else, from windows to entities and topics, is the same for all backends.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Backend {
    /// entopic's own code, on the CPU; the crate `rten` for a model that exists as ONNX only.
    #[default]
    Native,
    /// rust-bert's model types, computed by libtorch on a [`Device`].
    #[cfg(feature = "libtorch")]
    LibTorch,
}

/// The device that libtorch computes on.
#[cfg(feature = "libtorch")]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum Device {
    /// The CPU.
    #[default]
    Cpu,
    /// The CUDA device with this number, from 0.
    Cuda(usize),
}

named!(Precision, "a precision", [
    Precision::F32 => "f32",
    #[cfg(feature = "libtorch")]
    Precision::F16 => "f16",
    Precision::Bf16 => "bf16",
    Precision::Int8 => "int8",
]);

named!(Backend, "a backend", [
    Backend::Native => "native",
    #[cfg(feature = "libtorch")]
    Backend::LibTorch => "libtorch",
]);

#[cfg(feature = "libtorch")]
impl fmt::Display for Device {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cpu => f.pad("cpu"),
            Self::Cuda(number) => f.pad(&format!("cuda:{number}")),
        }
    }
}

/// Reads `cpu`, `cuda` (the device 0) or `cuda:N`. For any other text, returns an error of the kind
/// [`ErrorKind::Options`].
#[cfg(feature = "libtorch")]
impl FromStr for Device {
    type Err = Error;

    fn from_str(name: &str) -> Result<Self, Error> {
        let number = match name {
            "cpu" => return Ok(Self::Cpu),
            "cuda" => Some(0),
            name => name.strip_prefix("cuda:").and_then(|number| number.parse().ok()),
        };
        number.map(Self::Cuda).ok_or_else(|| {
            let message = format!("{name:?} is not a device; choose cpu, cuda or cuda:N");
            Error::new(ErrorKind::Options, message)
        })
    }
}

//! Names of plain enums.

/// Implements `Display` and `FromStr` for a plain enum, from one table of its names.
macro_rules! named {
    ($type:ty, $what:literal, [$($(#[$meta:meta])* $variant:path => $name:literal),* $(,)?]) => {
        impl $type {
            /// Every value with its name, as [`Display`](std::fmt::Display) writes it and
            /// [`FromStr`](std::str::FromStr) reads it.
            pub const NAMES: &[(Self, &str)] = &[$($(#[$meta])* ($variant, $name)),*];
        }

        impl std::fmt::Display for $type {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.pad(Self::NAMES.iter().find(|(value, _)| value == self).map_or("", |(_, name)| name))
            }
        }

        /// Reads a name of `NAMES`. For any other text, returns an error of the kind `Options` that lists the names.
        impl std::str::FromStr for $type {
            type Err = crate::error::Error;

            fn from_str(name: &str) -> Result<Self, Self::Err> {
                let found = Self::NAMES.iter().find(|(_, known)| *known == name);
                found.map(|(value, _)| *value).ok_or_else(|| {
                    let names: Vec<&str> = Self::NAMES.iter().map(|(_, name)| *name).collect();
                    let message = format!("{name:?} is not {}; choose one of {}", $what, names.join(", "));
                    crate::error::Error::new(crate::error::ErrorKind::Options, message)
                })
            }
        }
    };
}
pub(crate) use named;

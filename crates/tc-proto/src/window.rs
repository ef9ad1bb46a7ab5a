//! Windows, scaled and unscaled.

use std::fmt;

/// The window field of a TCP header, as it stands there: its meaning depends on the scale (RFC 7323, section 2.2).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct Window(u16);

impl Window {
    /// The largest value of the field.
    pub const MAX: Self = Self(u16::MAX);

    /// The window with the field's value.
    #[must_use]
    pub const fn new(field: u16) -> Self {
        Self(field)
    }

    /// The value of the field.
    #[must_use]
    pub const fn field(self) -> u16 {
        self.0
    }

    /// The octets it stands for once scaled.
    #[must_use]
    pub const fn octets(self, scale: WindowScale) -> usize {
        (self.0 as usize) << scale.0
    }
}

/// The shift count of the window scale option, 0 to 14 (RFC 7323, section 2.3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Default)]
pub struct WindowScale(u8);

impl WindowScale {
    /// No scaling.
    pub const NONE: Self = Self(0);
    /// The largest shift count.
    pub const MAX: Self = Self(14);

    /// The scale of an option: a count above 14 is taken as 14, as RFC 7323 section 2.3 asks.
    #[must_use]
    pub const fn new(shift: u8) -> Self {
        if shift > Self::MAX.0 { Self::MAX } else { Self(shift) }
    }

    /// The shift count.
    #[must_use]
    pub const fn shift(self) -> u8 {
        self.0
    }
}

impl fmt::Display for WindowScale {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{Window, WindowScale};

    #[test]
    fn a_shift_above_fourteen_is_fourteen() {
        assert_eq!(WindowScale::new(15), WindowScale::MAX);
        assert_eq!(Window::MAX.octets(WindowScale::new(255)), 65_535 << 14);
    }
}

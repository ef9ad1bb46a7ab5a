//! The state machines of tcpcopy. They do no input or output and read no clock: bytes and time are arguments,
//! and what is to be sent is asked for.
#![forbid(unsafe_code)]

pub mod relay;

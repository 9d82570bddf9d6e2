//! stub
pub mod codec;
pub mod model;
pub mod trajectory;

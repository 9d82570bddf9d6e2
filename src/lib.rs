//! stub
pub mod codec;
pub mod density;
pub mod disentangle;
pub mod forecast;
pub mod model;
pub mod trajectory;

//! stub
pub mod trajectory;
pub mod output;
pub mod plot;

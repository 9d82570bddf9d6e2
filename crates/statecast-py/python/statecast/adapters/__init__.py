"""Forecasters under the interfaces of other packages, one module each; the package is only imported with its module."""

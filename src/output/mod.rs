//! Files for the user: tables, the manifest beside them, and the rule that none is left half written.

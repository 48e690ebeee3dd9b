//! A batch or a stream arrives and becomes jobs

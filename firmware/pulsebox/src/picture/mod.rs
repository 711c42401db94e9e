//! Decodes one key frame, judges it, and makes its thumbnail.

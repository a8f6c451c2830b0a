"""One vendor, one file: ``open_probe(access)`` raises ProbeUnavailable with a reason a user can act on."""

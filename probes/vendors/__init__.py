"""One vendor, one file: ``open_probe()`` raises ProbeUnavailable with a reason a user can act on."""

"""Where a bundle breaks: under corruptions, in subgroups, at another hospital."""

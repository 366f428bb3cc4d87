"""Tests of heat maps: the examination of a bundle's maps, and a comparison with other methods."""

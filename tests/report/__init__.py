"""Tests of the page of a report, in a browser and in the large."""

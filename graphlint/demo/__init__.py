"""The example that `graphlint demo` lints and profiles. It is read and run, never imported."""

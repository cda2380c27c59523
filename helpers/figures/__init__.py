"""Every picture the suite draws: data in, figure out."""

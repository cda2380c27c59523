"""Builder of the starter corpus (helpers/data/starter.zip). Needs requirements.txt of this folder; the
rest of the suite never imports it and reads only the zip."""

"""Builder of the starter corpus (starter.zip beside this file). Needs requirements.txt of this folder; the
rest of the suite never imports it and reads only the zip."""

"""The page's second tab: what is no picture of a face is refused in a sentence."""

import pytest
from PIL import Image, ImageDraw

from helpers.data.errors import BadAudio
from helpers.demo.faces import read_face, shows_face


def test_faces_are_found_and_other_pictures_are_refused(shared, tmp_path):
    faces = sorted((shared / "data" / "faces").glob("*/*.jpg"))[::40]
    assert len(faces) > 10 and all(shows_face(path) for path in faces)
    picture = Image.new("RGB", (300, 200), "white")
    ImageDraw.Draw(picture).ellipse((40, 40, 200, 150), fill="red")
    picture.save(tmp_path / "egg.png")
    (tmp_path / "cut.jpg").write_bytes(faces[0].read_bytes()[:300])
    assert read_face(faces[0], 64).shape == (3, 64, 64)
    with pytest.raises(BadAudio, match="egg.png shows no face that could be found: choose"):
        read_face(tmp_path / "egg.png", 64)
    with pytest.raises(BadAudio, match="cut.jpg cannot be read as a picture"):
        read_face(tmp_path / "cut.jpg", 64)

"""What a training notebook may be told, checked before anything is computed."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from helpers.data.effects import EFFECTS
from helpers.features import get_setting
from helpers.models import check_options, model_options
from helpers.training.augment import FEATURES


class TrainSettings(BaseModel):
    """Parameters of one training. Names that are not listed here are options of the model (`options`)."""

    model_config = ConfigDict(extra="allow", protected_namespaces=())

    dataset: str = "starter"
    source: str = ""  # a folder or zip that wins over the manifest's own source
    features: str = "logmel"
    model: str = "lcnn"
    epochs: int = Field(3, ge=1)
    batch_size: int = Field(32, ge=2)
    lr: float = Field(1e-3, gt=0)
    weight_decay: float = Field(1e-3, ge=0)
    warmup_epochs: float = Field(0.5, ge=0)
    loss: Literal["cross_entropy", "one_class_softmax", "additive_margin"] = "cross_entropy"
    balance: Literal["weights", "group", "oversample", "undersample", "none"] = "weights"
    augment: str = "none"
    augment_wave: str = "none"
    crop_frames: int = Field(0, ge=0)  # frames of a random crop in training, 0 keeps the whole feature
    train_clips: int = Field(0, ge=0)  # clips to train on, 0 means all
    eval_clips: int = Field(0, ge=0)  # clips of dev and of eval to score, 0 means all
    patience: int = Field(0, ge=0)  # epochs without a better dev EER before the end, 0 never stops early
    averaging: float = Field(0.0, ge=0, lt=1)  # decay of the weights' moving average, 0 is off
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    leave_out: str = ""  # an attack kept from training and used, with dev's bona fide, to select the epoch
    seed: int = Field(0, ge=0)
    max_minutes: float = Field(0, ge=0)
    device: str = "auto"

    @field_validator("augment", "augment_wave")
    @classmethod
    def _known_augmentations(cls, value: str, info: Any) -> str:
        known = FEATURES if info.field_name == "augment" else EFFECTS
        unknown = [name for name in split_names(value) if name not in known]
        if unknown:
            raise ValueError(f"{unknown[0]!r} is none of {', '.join(known)}; join several by +, or say none")
        return value

    @field_validator("features")
    @classmethod
    def _known_features(cls, value: str) -> str:
        get_setting(value)
        return value

    @model_validator(mode="after")
    def _known_options(self) -> TrainSettings:
        check_options(self.model, self.options)
        return self

    @property
    def options(self) -> dict[str, Any]:
        """What was given beyond the fields above: options of the model."""
        return dict(self.model_extra or {})


def split_names(joined: str) -> list[str]:
    """`specaugment+noise` -> its names; `none` -> nothing."""
    return [name for name in joined.split("+") if name and name != "none"]


def check_settings(parameters: dict[str, Any], others: bool = False) -> TrainSettings:
    """The checked settings; ValueError lists every wrong parameter in one line each.

    others: leave out what is neither a setting nor an option of the model (a notebook's own parameters).
    """
    model = parameters.get("model", TrainSettings.model_fields["model"].default)
    given = {name: value for name, value in parameters.items() if name != "profile"}
    try:
        if others:
            known = {*TrainSettings.model_fields, *model_options(model)}
            given = {name: value for name, value in given.items() if name in known}
        return TrainSettings(**given)
    except ValidationError as error:
        lines = [
            f"{'.'.join(map(str, e['loc']))}: {e['msg'].removeprefix('Value error, ')}, got {e['input']!r}"
            if e["loc"]
            else e["msg"].removeprefix("Value error, ")
            for e in error.errors()
        ]
        raise ValueError("these parameters cannot be used:\n  " + "\n  ".join(lines)) from None

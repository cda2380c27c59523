"""What each notebook teaches: its goal, what it builds on, what students get wrong, which terms it brings."""

from __future__ import annotations

import re
from dataclasses import dataclass

GLOSSARY = "GLOSSARY.md"


@dataclass(frozen=True)
class Lesson:
    """One notebook as a teacher sees it. `builds_on`: notebooks by number whose ideas it uses, all of them earlier."""

    goal: str
    builds_on: tuple[str, ...]
    mistake: str  # what students get wrong, and what to answer
    terms: tuple[str, ...]  # headings of GLOSSARY.md


LESSONS: dict[str, Lesson] = {
    "01_download": Lesson(
        "Name a data set, its licence and its checksum",
        (), "Take a checksum for proof that the labels are right. It proves that the bytes are the published ones.",
        ("Bona fide", "Spoof", "ASVspoof"),
    ),
    "02_stage": Lesson(
        "Read a protocol, count before training, look for shortcuts",
        ("01",), "Expect all clips of a folder to belong to the corpus. The protocol says which do.",
        ("Utterance", "Protocol", "Split", "Attack", "Shortcut", "EER"),
    ),
    "03_cache": Lesson(
        "Build log-mel, MFCC and LFCC from the Fourier transform up; hear and see a spoof",
        ("02",), "Think that a nicer picture is a better feature. Mel throws away the band in which many spoofs show.",
        ("STFT", "Mel", "Log-mel", "MFCC", "LFCC", "Chroma", "Vocoder", "TTS", "VC", "Copy synthesis", "Phase", "Griffin-Lim"),
    ),
    "10_train_simple_ann": Lesson(
        "Take one detector from parameters to a run folder; see that it knows no neighbourhood",
        ("03",), "Read a falling training loss as learning. It may be learning by heart: look at dev.",
        ("Fully connected layer", "Log-odds", "Batch", "Loss", "Epoch", "Dev", "Eval", "Miss", "False alarm", "EER", "Threshold",
         "Bootstrap interval", "Accuracy", "Macro-F1", "ROC", "Overfitting", "Run folder"),
    ),
    "11_train_simple_cnn": Lesson(
        "Say what a convolution buys; read an operating point",
        ("10",), "Look for the parameters in the convolutions. Nearly all sit in the first fully connected layer.",
        ("Convolution", "Pooling", "Operating point", "Confusion matrix"),
    ),
    "12_train_resnet50": Lesson(
        "Explain a residual connection; recognise an undertrained result",
        ("11",), "Conclude from an undertrained run that the architecture is bad. Where the interval holds 50 %, nothing is shown.",
        ("Residual connection", "Batch norm", "Bootstrap interval"),
    ),
    "13_train_resnet50_lstm": Lesson(
        "Count the steps an LSTM reads; test whether order matters to a detector",
        ("12",), "Believe that a model which can use order does. Play the clips backwards.",
        ("LSTM", "Pooling"),
    ),
    "14_train_resnet101": Lesson(
        "Price depth in milliseconds; say when freezing makes sense",
        ("12",), "Freeze random layers. Freezing keeps what is there, so there must be something to keep.",
        ("Freezing", "Residual connection"),
    ),
    "15_train_cnn": Lesson(
        "Use a baseline; read precision, recall and macro-F1",
        ("11",), "Call 90 % accuracy good without asking how frequent the classes are.",
        ("Baseline", "Accuracy", "Balanced accuracy", "Precision and recall", "F1", "Macro-F1"),
    ),
    "16_train_vgg_like": Lesson(
        "Choose a remedy for a rare class; judge an augmentation by what it claims",
        ("15",), "Expect class weights to lower the EER. They mostly move the scores, and the EER finds its own threshold.",
        ("Augmentation", "SpecAugment", "Leakage"),
    ),
    "17_train_custom_cnn": Lesson(
        "Test a detector on other channels with the threshold it had",
        ("10", "16"), "Choose the threshold anew on each condition. A user cannot: keep the one from dev.",
        ("Dropout", "Augmentation", "Threshold"),
    ),
    "18_train_dnn": Lesson(
        "Build a network with several inputs; ask on which it rests",
        ("10",), "Read permutation importance as importance in speech. It tells what this one network uses.",
        ("MFCC", "Permutation importance"),
    ),
    "19_train_vgg16_svm": Lesson(
        "Borrow features; run a grid search; recognise choosing on what one reports",
        ("15",), "Try settings until the test result is good, and report it. Shuffled labels show what that buys.",
        ("Transfer learning", "Support vector machine", "Cross-validation", "Grid search"),
    ),
    "20_train_lfcc_gmm": Lesson(
        "Explain the official baseline; read a score as a log-likelihood ratio",
        ("03", "10"), "Take a likelihood for a probability of being real. Rare sounds are unlikely under both models: the ratio decides.",
        ("LFCC", "Gaussian mixture", "Expectation and maximisation", "Log-likelihood ratio", "Calibration"),
    ),
    "21_train_lcnn": Lesson(
        "Explain max-feature-map; look attack by attack",
        ("11", "16"), "Trust the pooled EER. Two detectors with one EER may fail on different attacks.",
        ("Max-feature-map", "Countermeasure", "SpecAugment", "One-class softmax"),
    ),
    "22_train_rawnet2": Lesson(
        "Say what is given even to a network on raw samples; read a filter bank",
        ("03", "13"), "Think that raw input means no choice of features. The first filters are a choice.",
        ("RawNet2", "Pooling"),
    ),
    "23_train_aasist": Lesson(
        "Compute an attention by hand; tell parameters from cost",
        ("22",), "Take few parameters for fast. They are applied at every point.",
        ("AASIST", "Attention"),
    ),
    "24_train_ssl": Lesson(
        "Say how a network learns without labels; put a small back end behind a frozen front end",
        ("14", "22"), "Judge all speech models by one small front end. What it has heard counts as much as its size.",
        ("Self-supervised learning", "Freezing", "Attention"),
    ),
    "25_fuse": Lesson(
        "Calibrate scores and fuse detectors without touching eval",
        ("19", "20"), "Add up scores of different units, or fit the fusion on eval.",
        ("Fusion", "Calibration", "Log-likelihood ratio", "Cllr", "Prior", "Logistic regression", "Reliability diagram"),
    ),
    "26_train_small": Lesson(
        "Design for a budget of milliseconds; read a cost picture",
        ("21", "23"), "Time one call. The first pays for memory and others use the machine: warm up, take the median.",
        ("Stride", "Convolution", "SpecAugment"),
    ),
    "27_train_deep_voice": Lesson(
        "Reproduce a famous 99 % and say what it measures; split so that a result means something",
        ("15", "19"), "Shuffle rows and call it a test set. Pieces of one recording on both sides are memory.",
        ("Leakage", "Split", "Cross-validation", "VC", "Bootstrap interval"),
    ),
    "90_compare": Lesson(
        "Judge detectors: intervals, paired differences, attacks, shortcuts, cost",
        ("02", "10", "15"), "Call the lowest EER the best detector. Only a paired difference whose interval leaves out zero says so.",
        ("Accuracy", "Macro-F1", "EER", "t-DCF", "DET", "ROC", "Bootstrap interval", "Shortcut"),
    ),
    "91_demo": Lesson(
        "Turn a score into an answer that may be 'cannot tell'; say what a verdict is worth",
        ("10", "20", "25"), "Take 90 % detection for 90 % certainty after an alarm. Ask how rare spoofs are.",
        ("Grad-CAM", "Prior", "Calibration", "Threshold"),
    ),
    "92_evidence": Lesson(
        "Turn an alarm into a probability and into a likelihood ratio; name who is harmed by an error",
        ("10", "25", "91"), "Multiply the ratios of two detectors that were trained on the same data.",
        ("Prior", "Log-likelihood ratio", "False alarm", "Miss"),
    ),
}  # fmt: skip


def anchor(term: str) -> str:
    """The name that GitHub and Jupyter give a heading: `Precision and recall` -> `precision-and-recall`."""
    return re.sub(r"[^\w -]", "", term.lower()).replace(" ", "-")


def links(stem: str) -> str:
    """The notebook's terms as links into the glossary, and its solutions; "" for a notebook without a lesson."""
    if stem not in LESSONS:
        return ""
    terms = ", ".join(f"[{term}]({GLOSSARY}#{anchor(term)})" for term in LESSONS[stem].terms)
    return f"**Terms** {terms} · all in the [glossary]({GLOSSARY}). **Stuck** on an exercise: [solutions](solutions/{stem}.ipynb)."

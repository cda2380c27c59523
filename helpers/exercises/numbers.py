"""Exercises whose answer is one number, in the order of the notebooks."""

from __future__ import annotations

from helpers.exercises.exercise import number

check_staging_seconds = number(
    "02: seconds that 25,380 files wait at 4 ms each.",
    101.52,
    "25,380 * 0.004 = 101.52",
    "And that is the waiting alone: the reading comes on top, at every epoch.",
    [(101_520, "That is milliseconds: divide by 1,000.")],
    "Every file waits once: number of files times 4 ms.",
    "Give a number of seconds.",
    within=1.0,
)
check_n_frames = number(
    "03: frames of 48,000 samples, hop 256, centred.",
    188,
    "1 + 48,000 // 256 = 188",
    "48,000 / 256 = 187.5, rounded down, and one more since the first frame is centred on sample 0.",
    [(187, "Almost: with padding on both sides there is a frame at sample 0 as well.")],
    "Count the hops of 256 that fit into 48,000 samples, then think of the frame at sample 0.",
)
check_ann_parameters = number(
    "10: weights and biases of 12,032 -> 1024 -> 512 -> 256 -> 1.",
    12_978_177,
    "12,032*1024 + 1024*512 + 512*256 + 256*1, and 1024 + 512 + 256 + 1 biases: 12,978,177",
    "13 million numbers, 12.3 million of them in the first layer, for a few thousand clips.",
    [(12_976_384, "The weights are right. Add one bias for each neuron: 1024 + 512 + 256 + 1.")],
    "Multiply each pair of neighbouring sizes, add the products, then one bias for each neuron.",
)
check_linear_parameters = number(
    "11: weights and biases of the layer behind 64 x 16 x 47 values.",
    49_284_096,
    "64*16*47 * 1024 + 1024 = 49,284,096",
    "49 million numbers in one layer, and the two convolutions before it hold 52 thousand.",
    [(49_283_072, "The weights are right. Each neuron has a bias as well.")],
    "Every one of the 64 · 16 · 47 inputs is connected with every one of the 1,024 neurons.",
)
check_lstm_steps = number(
    "13: steps that 188 frames leave behind a stride of 32.",
    6,
    "188 -> 94 -> 47 -> 24 -> 12 -> 6",
    "Half a second a step: the LSTM reads six columns, not 188.",
    [
        (5, "188 / 32 is 5.875, and padding keeps the last, incomplete step: round up."),
        (5.875, "188 / 32 is 5.875, and padding keeps the last, incomplete step: round up."),
        (188, "Those are the frames of the feature; the network halves time five times before the LSTM."),
    ],
    "Divide 188 by 2 five times, rounding up each time.",
)
check_bottleneck_weights = number(
    "14: weights of 1x1 256 -> 64, 3x3 64 -> 64, 1x1 64 -> 256, without biases.",
    69_632,
    "256*64 + 9*64*64 + 64*256 = 69,632",
    "Two plain 3×3 layers on 256 channels would hold 1,179,648: seventeen times as many.",
    [
        (331_776, "Only the middle convolution is 3×3; the other two look at one point."),
        (1_179_648, "That is two plain 3×3 layers on 256 channels, what the bottleneck avoids."),
    ],
    "Add three products: channels in × channels out × points the convolution looks at.",
)
check_macro_f1 = number(
    "15: macro-F1 where 50 of 100 bona fide clips and 855 of 900 spoofs are recognised.",
    0.7301,
    "(100/195 + 1710/1805) / 2 = 0.730",
    "0.73, where the accuracy is 0.905: half of the recordings are lost and accuracy hardly notices.",
    [
        (0.905, "That is the accuracy, (50 + 855) / 1,000."),
        (0.9474, "That is the F1 of one class. Macro-F1 is the mean of both."),
        (0.5128, "That is the F1 of one class. Macro-F1 is the mean of both."),
    ],
    "F1 of a class is 2·hits / (2·hits + missed + wrongly given). Take the mean of the two classes.",
    "Give one number between 0 and 1.",
    within=2e-3,
    share=True,
)
check_class_weight = number(
    "16: weight of a bona fide clip among 2,580 and 22,800 spoofs, mean weight 1.",
    4.9186,
    "25,380 / (2 * 2,580) = 4.92",
    "4.92, and a spoof weighs 0.557: both classes add up to the same, and the mean weight is 1.",
    [
        (8.8372, "That is the ratio of the weights. Scale both so that the mean over all clips is 1."),
        (0.5566, "That is the weight of a spoof: the rarer class weighs more."),
    ],
    "Each class should hold half of the total: half of 25,380, shared by its own clips.",
    within=0.02,
)
check_flattened_size = number(
    "17: values of 128 maps of 64 x 188, halved four times, odd sizes rounded up.",
    6144,
    "128 * 4 * 12 = 6,144",
    "And the next layer, 6,144 by 512, holds nine of ten parameters of this network.",
    [
        (5632, "188 → 94 → 47 → 23 would drop the last frame: `same` padding keeps it, 47 becomes 24."),
        (48, "That is one map; there are 128."),
    ],
    "Halve 64 and 188 four times, rounding up, then multiply by the 128 maps.",
)
check_zero_crossings = number(
    "18: zero-crossing rate of a 440 Hz tone at 16 kHz.",
    0.055,
    "2 * 440 / 16,000 = 0.055",
    "880 changes of sign a second among 16,000 samples. A hiss at 4 kHz would have 0.5.",
    [
        (0.0275, "A tone crosses zero twice in each period, once up and once down."),
        (880, "That is a count a second; the rate is a share of the samples."),
        (440, "That is a count a second; the rate is a share of the samples."),
    ],
    "Count the changes of sign in a second and divide by the samples in a second.",
    "Give a share of the samples.",
    within=5e-4,
    share=True,
)
check_number_of_fits = number(
    "19: fits of 24 candidates in 5 folds, and the winner once more on everything.",
    121,
    "24 * 5 + 1 = 121",
    "Twenty-four looks at each fold, and none at the test set.",
    [
        (120, "Nearly: at the end the winner is fitted once more, on all training pictures."),
        (24, "Each candidate is fitted anew for each of the 5 folds."),
        (25, "Each candidate is fitted anew for each of the 5 folds."),
    ],
    "Candidates times folds, then one fit of the winner.",
)
check_likelihood_ratio = number(
    "20: mean log-likelihood ratio of two frames.",
    0.25,
    "((bona fide - spoof) of the first + of the second) / 2 = (2.5 - 2.0) / 2 = 0.25",
    "The first frame speaks for a recording (+2.5), the second against (-2.0); their mean decides.",
    [
        (-0.25, "Mind the sign: bona fide minus spoof, so that higher means more likely a recording."),
        (0.5, "That is the sum; a mean makes clips of different lengths comparable."),
    ],
    "Subtract spoof from bona fide for each frame, then take the mean of the two.",
    within=1e-9,
)
check_rawnet_steps = number(
    "22: steps that reach the GRU from 64,600 samples.",
    29,
    "64,472 divided by 3 seven times, rounded down each time: 29",
    "One step every 2,187 samples, about a seventh of a second.",
    [
        (88, "One pooling by 3 follows the filters and one follows each of the six blocks: seven in all."),
        (89, "One pooling by 3 follows the filters and one follows each of the six blocks: seven in all."),
        (64_472, "Those are samples; the poolings by 3 are still to come."),
        (64_600, "Those are samples; the poolings by 3 are still to come."),
    ],
    "Filters of 129 samples leave 64,472 points; divide by 3 seven times, rounding down each time.",
)
check_attention = number(
    "23: attention over nodes of value 4, 0, 8 with scores 1, 1, 1 + ln 2.",
    5.0,
    "weights 1/4, 1/4, 1/2: 4/4 + 0/4 + 8/2 = 5",
    "The weights are 1/4, 1/4 and 1/2: a difference of ln 2 in the score doubles the weight.",
    [
        (4.0, "That is the plain mean: the third node has a higher score and must weigh more."),
        (8.0, "That is the node with the highest score alone; softmax leaves the others a part."),
    ],
    "Weights are exp(score) divided by their sum; then add up weight times value.",
    within=1e-6,
)
check_ssl_frames = number(
    "24: frames of wav2vec 2.0 for 64,600 samples: receptive field 400, hop 320.",
    201,
    "1 + (64,600 - 400) // 320 = 201",
    "One vector every 20 ms, each from 25 ms of sound; the transformer then mixes all of them.",
    [
        (200, "Nearly: the first frame needs 400 samples, every further one 320 more."),
        (202, "Nearly: the first frame needs 400 samples, every further one 320 more."),
    ],
    "How many hops of 320 fit behind the first 400 samples? Then count the first frame as well.",
)
check_posterior = number(
    "25: probability of a spoof at a log-likelihood ratio of -ln 9.5 and a prior of 5 % spoofs.",
    1 / 3,
    "odds of a recording 19 / 9.5 = 2, so 1 / (1 + 2) = 0.333",
    "The clip speaks 9.5 : 1 for a spoof, but recordings are 19 : 1 more frequent. 2 : 1 remain.",
    [
        (2 / 3, "That is the probability of a recording."),
        (9.5 / 10.5, "You left out that only one clip in twenty is a spoof."),
        (0.05, "That is the prior alone: what does the score add?"),
    ],
    "Prior odds (19 : 1 for a recording) times the likelihood ratio (1 : 9.5) are the posterior odds.",
    "Give a probability between 0 and 1.",
    within=5e-3,
    share=True,
)
check_blind_accuracy = number(
    "90: accuracy of always saying spoof among 7,355 bona fide and 63,882 spoofs.",
    63_882 / 71_237,
    "63,882 / 71,237 = 0.8968",
    "Nearly 90 % accurate without listening; its macro-F1 is below one half and its EER is 50 %.",
    [(7_355 / 71_237, "That is the accuracy of always saying bona fide.")],
    "Right answers are the spoofs: divide their number by the number of all utterances.",
    "Give a share between 0 and 1.",
    within=5e-4,
    share=True,
)
check_evidence = number(
    "92: probability of a fake at odds of 1 to 4 before and a likelihood ratio of 8.",
    2 / 3,
    "odds 1/4 x 8 = 2 to 1, so 2 / 3",
    "One to four, times eight, is two to one for a fake.",
    [
        (8 / 9, "You left out that the odds before were one to four."),
        (2.0, "Those are the odds. And the probability?"),
        (0.2, "That is the probability before the alarm."),
    ],
    "Odds after are odds before times the likelihood ratio. Then turn odds into a probability.",
    "Give a probability between 0 and 1.",
    within=5e-3,
    share=True,
)

check_alarm = number(
    "91: probability of a spoof after an alarm, at 1 % spoofs, 90 % of them found, 5 % false alarms.",
    0.009 / 0.0585,
    "90 of 90 + 495 alarms: 0.154",
    "Of 10,000 calls, 90 spoofs and 495 honest calls set it off: 90 of 585. Five alarms in six are false.",
    [
        (0.495 / 0.585, "That is the share of false alarms among the alarms. And the spoofs among them?"),
        (0.9, "That is how often it finds a spoof. How often is an alarm a spoof?"),
        (0.9 / 0.95, "You left out that only one call in a hundred is a spoof."),
        (0.01, "That is the share before the alarm: what does the alarm add?"),
    ],
    "Think of 10,000 calls: how many spoofs set off the alarm, and how many honest calls do?",
    "Give a probability between 0 and 1.",
    within=5e-3,
    share=True,
)

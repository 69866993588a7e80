"""LeNet: colours and sizes are read alike, and what it has learnt stays under a new last layer."""

import torch

from sfumato.data.sources import View, open_data
from sfumato.nets.lenet import LENET, LeNet, as_read
from sfumato.recognition.finetune import Classifier
from sfumato.weights.load import load_network


def test_grey_and_coloured_images_of_any_size_are_read_alike() -> None:
    network = LeNet(4).eval()
    images = torch.rand(2, 1, 28, 28)
    larger = images.repeat_interleave(2, 2).repeat_interleave(2, 3)
    assert torch.equal(as_read(images), images)
    torch.testing.assert_close(network(images.expand(-1, 3, -1, -1)), network(images))
    assert network(larger).shape == (2, 4)
    torch.testing.assert_close(as_read(torch.full((1, 3, 50, 50), 0.3)), torch.full((1, 1, 28, 28), 0.3))


def test_the_shipped_one_reads_digits_and_gives_its_features_to_a_new_layer() -> None:
    data = open_data("digits", View(channels=3, resolution=28))
    images, labels = data.test.images(), data.test.labels
    assert labels is not None
    network = LeNet()
    load_network(network, LENET)
    assert (network.eval()(images).argmax(1) == labels).float().mean() > 0.97
    classifier = Classifier(LENET, 3, standardised=True)
    load_network(classifier.network, LENET, new=classifier.place)
    assert classifier.place == "classify"
    assert classifier.eval()(images).shape == (len(images), 3)
    assert torch.equal(classifier.network.features[0].weight, network.features[0].weight)  # pyright: ignore

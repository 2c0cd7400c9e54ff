"""A few kilobytes of this course's own prose, in small letters, for the character model."""

ALPHABET = " abcdefghijklmnopqrstuvwxyz,."

PROSE = """\
the lab has just built a real network, sent images of handwritten digits forward through it and
the error backward. nothing was trained, these are the gradients at the random start. all three
axes count in powers of ten, a straight line is exponential growth or decay. the sentence above
the figure says the same in words. with one seed, nothing is drawn anew while you move a slider.
so what changes in the picture is what you changed. a gradient vanishes when it shrinks
exponentially from the last layer to the first, and explodes when it grows exponentially. both
happen over the layers, at one moment, in one network. theory speaks of infinitely wide layers.
each layer misses the theory a little, at random. the misses do not cancel, theory gives the
average of the squared gradient, and a few lucky networks carry that average while a typical one
lies below it. an epoch is one pass through all training images. with two hidden layers the curves
come together and the net learns. with four they stay apart. the weights of the first layer end
where chance put them, the net is little better than guessing. the first fall of all curves is not
vanishing. the output layer learns within an epoch that each digit comes up about one time in ten,
the average error is gone, and the gradient with it. vanishing is the distance between the curves,
and it was there at the start. the name says that a gradient vanishes. send two different images
forward through the same net. so the last layer hardly knows which image it has seen. it could
learn quickly, but it has nothing to learn from. the first layer has the images before it, but it
hardly hears the error. vanishing is about information, in both directions. four sigmoid neurons in
a row. each bar is one term of the chain rule, and the last bar is their product, how much the
output moves when the input moves a little. drag a weight and watch its bar, then the product.
thousands of chains at once. on the left how large a single factor is, on the right the product
after more and more factors, its middle falls like a straight line on a logarithmic axis. the
average of the logarithm of a factor sets the slope of that line. the conclusion survives, the
argument does not, a product of factors falls because their logarithms are on average negative.
which layer has most factors, the one farthest from the cost. so a chain of single neurons hardly
ever explodes. real layers are wide, and that changes the answer. what it saves is work. a backward
pass costs about two forward passes, whatever the number of weights, differences want one more
forward pass for each weight. with tanh the rings of equal loss are circles, no valley, and on all
data the path is straight. one sample at a time it wavers even then, for a single sample never
shows the whole slope. a lucky goal lies across the valley and is reached quickly, whatever the
inputs. so a saturated output is a fault of the loss, and cured for decades. a hidden layer has no
such luck, between it and the loss stand other slopes, and no loss divides by those. the plain net
does not move off one in ten. with batch norm or with skips the very same sigmoids, drawn from the
same weights, learn within a few steps. and the gates of an lstm are sigmoids on purpose, a gate
should lie between nothing and one. the last term is a price on large weights, paid at units that
are negative, a weight decay that looks at the data. leaky units may go into a long coma, but they
always have a chance to wake up. in a narrow net a whole layer may be silent from the start, and
then the output no longer depends on the input. nothing can be learned, whatever the learning rate.
given time the gap closes to a point or two.
"""


def text() -> str:
    """Return the prose as one line of the letters of `ALPHABET`."""
    return " ".join(PROSE.split())

"""The translation study: what a cycle is for, what it leaves open, and what it hides.

It follows the end of the course chapter. Digits in white on black and in ink on paper, whose true partners are known: the
game alone, the cycle alone, both, with identity, with other discriminators, without old images; DiscoGAN and DualGAN
beside CycleGAN; and digits on ruled paper, whose lines the way back cannot know. Two kinds of pictures and pairs can be given
beside them. Published numbers are of other data, sizes and networks: the report names them and compares none.
"""

"""The floor and kolabd in turn."""


def in_turn(rounds, bare, kolabd):
    """What the two give in so many rounds; who is first changes. Each is called with the number of the round."""
    values = [], []
    for number in range(rounds):
        pair = list(zip(values, (bare, kolabd)))
        for given, one in pair if number % 2 == 0 else reversed(pair):
            given.append(one(number))
    return values


def ending_with_kolabd(rounds):
    """So many, or one more, where the floor changes what kolabd takes for its own: kolabd has the last word."""
    return rounds | 1

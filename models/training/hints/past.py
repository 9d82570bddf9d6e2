"""What was read of a batch of windows: rows, actions and how long each episode goes on."""

import numpy as np

PADDING = 4  # rows before the first, so that lags never leave the arrays


class Past:
    """`count` rows that were read; `age` is that of the next row: rows since its episode began."""

    def __init__(self, windows, channels, actions, room):
        self.count = 0
        self.values = np.zeros((windows, PADDING + room, channels))
        self.acts = np.zeros((windows, PADDING + room, actions))
        self.row_ages = np.full((windows, PADDING + room), -1)
        self.age = np.zeros(windows, np.int64)
        self.largest_move = np.zeros((windows, channels))  # from row to row inside of an episode

    def push(self, x, u, next_begins):
        at = PADDING + self.count
        move = np.where(self.age[:, None] >= 1, np.abs(x - self.values[:, at - 1]), 0)
        self.largest_move = np.maximum(self.largest_move, move)
        self.values[:, at], self.acts[:, at], self.row_ages[:, at] = x, u, self.age
        self.count += 1
        self.age = np.where(next_begins, 0, self.age + 1)

    def row(self, lag):
        """The row [windows, channels] that stands -lag before the next one."""
        return self.values[:, PADDING + self.count + lag]

    @property
    def last(self):
        return self.row(-1)

    @property
    def actions(self):
        return self.acts[:, PADDING + self.count - 1]

    def recent(self, most):
        """The last rows, as a slice of row numbers."""
        return slice(max(0, self.count - most), self.count)

    def x(self, rows, shift=0):
        return self.values[:, PADDING + rows.start + shift : PADDING + rows.stop + shift]

    def u(self, rows, shift=0):
        return self.acts[:, PADDING + rows.start + shift : PADDING + rows.stop + shift]

    def ages(self, rows):
        return self.row_ages[:, PADDING + rows.start : PADDING + rows.stop]

    def episode(self, window):
        """Rows of the episode that is being read."""
        return slice(self.count - 1 - int(self.row_ages[window, PADDING + self.count - 1]), self.count)

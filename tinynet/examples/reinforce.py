"""A policy learns to balance a pole on a cart by REINFORCE (Williams 1992).

python -m tinynet.examples.reinforce --updates 150
"""

from __future__ import annotations

import argparse

import numpy as np
from tqdm import trange

import tinynet
from tinynet import nn, optim
from tinynet.distributions import Categorical


class CartPole:
    """Many carts at a time (Barto, Sutton and Anderson 1983): position, speed, angle and its speed, in SI units.

    Each step of 0.02 s pushes with 10 N to the left (0) or right (1). A pole has fallen at 12 degrees or 2.4 m.
    """

    GRAVITY, CART, POLE, HALF_LENGTH, FORCE, STEP = 9.8, 1.0, 0.1, 0.5, 10.0, 0.02

    def __init__(self, count: int, rng: np.random.Generator) -> None:
        self.state = rng.uniform(-0.05, 0.05, (4, count))
        self.standing = np.ones(count, bool)

    def step(self, action: np.ndarray) -> None:
        _, speed, angle, turn = self.state
        total = self.CART + self.POLE
        push = np.where(action == 1, self.FORCE, -self.FORCE)
        pull = (push + self.POLE * self.HALF_LENGTH * turn**2 * np.sin(angle)) / total
        bend = (self.GRAVITY * np.sin(angle) - np.cos(angle) * pull) / (
            self.HALF_LENGTH * (4 / 3 - self.POLE * np.cos(angle) ** 2 / total)
        )
        change = np.stack([speed, pull - self.POLE * self.HALF_LENGTH * bend * np.cos(angle) / total, turn, bend])
        self.state = np.where(self.standing, self.state + self.STEP * change, self.state)
        self.standing &= (np.abs(self.state[0]) < 2.4) & (np.abs(self.state[2]) < np.radians(12))


def play(policy: nn.Module, carts: CartPole, most: int, device: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """States (T, N, 4), actions (T, N) and whether the pole stood (T, N), until all have fallen or `most` steps."""
    states: list[np.ndarray] = []
    actions: list[np.ndarray] = []
    alive: list[np.ndarray] = []
    while carts.standing.any() and len(states) < most:
        states.append(carts.state.T.astype(np.float32))
        alive.append(carts.standing.copy())
        with tinynet.no_grad():
            logits = policy(tinynet.from_numpy(states[-1]).to(device))
        actions.append(Categorical(logits=logits).sample().cpu().numpy())
        carts.step(actions[-1])
    return np.stack(states), np.stack(actions), np.stack(alive)


def returns_of(alive: np.ndarray, discount: float) -> np.ndarray:
    """The discounted rewards from each step on; a step with a standing pole is worth 1."""
    result = np.zeros(alive.shape, np.float32)
    total = np.zeros(alive.shape[1], np.float32)
    for t in reversed(range(len(alive))):
        total = result[t] = alive[t] * (1 + discount * total)
    return result


def main(argv: list[str] | None = None) -> float:
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--updates", type=int, default=150)
    p.add_argument("--episodes", type=int, default=16, help="to an update")
    p.add_argument("--steps", type=int, default=500, help="an episode's at most")
    p.add_argument("--discount", type=float, default=0.99)
    p.add_argument("--lr", type=float, default=1e-2)
    p.add_argument("--device", default="cpu")
    p.add_argument("--seed", type=int, default=0)
    args = p.parse_args(argv)

    tinynet.manual_seed(args.seed)
    rng = np.random.default_rng(args.seed)
    policy = nn.Sequential(nn.Linear(4, 32), nn.Tanh(), nn.Linear(32, 2)).to(args.device)
    optimizer = optim.Adam(policy.parameters(), lr=args.lr)
    for _ in (progress := trange(args.updates, unit="update")):
        states, actions, alive = play(policy, CartPole(args.episodes, rng), args.steps, args.device)
        value = returns_of(alive, args.discount)
        value = (value - value[alive].mean()) / (value[alive].std() + 1e-6)  # a baseline: less variance, no bias
        state, action, weight = (tinynet.from_numpy(a[alive]).to(args.device) for a in (states, actions, value))
        chances = Categorical(logits=policy(state))
        optimizer.zero_grad()
        loss = -(chances.log_prob(action) * weight).mean()
        loss.backward()
        optimizer.step()
        progress.set_postfix_str(f"mean length {alive.sum(0).mean():.0f}")
    result = float(play(policy, CartPole(100, rng), args.steps, args.device)[2].sum(0).mean())
    print(f"100 episodes balance for {result:.1f} of {args.steps} steps on average; chance gives about 22")
    return result


if __name__ == "__main__":
    main()

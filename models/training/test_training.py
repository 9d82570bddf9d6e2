"""python -m unittest: encoding, model, export, warm start, schedule, resuming."""

import os
import tempfile
import time
import unittest

import torch
from transformers import AutoTokenizer, LlamaForCausalLM

from config import read_config
from draws import Draws
from encoding import BOS, axis_ids, coarsened, training_batch
from export import export, llama_weights, read_folder
from model import DigitModel
from objective import bin_crps, compiled_loss, followed, with_own_draws
from train import HERE, Deadline, Run
from warm_start import loaded, new_layer_places, start_from

TINY = dict(hidden=64, layers=2, heads=1, inner=96)


class Encoding(unittest.TestCase):
    def test_bins_are_floors_and_the_range_is_150_to_850(self):
        y = torch.tensor([[0.0, 0.5, 0.50099, 1.0]])
        ids, valid = axis_ids(y, torch.zeros(1, 1), torch.ones(1, 1))
        self.assertEqual(ids.tolist(), [[150, 500, 500, 850]])
        self.assertTrue(valid.all())

    def test_a_row_counts_until_the_first_value_off_the_axis(self):
        y = torch.tensor([[0.0, 1.0, 1.3, 0.5]])
        ids, valid = axis_ids(y, torch.zeros(1, 1), torch.ones(1, 1))
        self.assertEqual(valid.tolist(), [[True, True, False, False]])
        self.assertEqual(ids[0, 2].item(), 999)

    def test_a_batch_predicts_the_next_id(self):
        y = Draws(1).normal(64, 200).cumsum(1)
        inputs, targets, weights = training_batch(Draws(2), y, 100)
        self.assertEqual((inputs.shape, targets.shape, weights.shape), ((64, 100),) * 3)
        self.assertTrue(torch.equal(inputs[:, 1:], targets[:, :-1]))
        with_bos = (inputs[:, 0] == BOS).float().mean().item()
        self.assertTrue(0.7 < with_bos < 1)

    def test_values_that_set_the_scale_weigh_less(self):
        y = Draws(1).normal(64, 200)
        _, targets, weights = training_batch(Draws(2), y, 100, whole_range=0, inside=0.2, coarse=0)
        self.assertEqual(set(weights.flatten().tolist()), {0.0, weights.max().item(), weights[0, 0].item()})
        for row, weight in zip(targets, weights):
            beyond = (row < 150) | (row > 850)
            self.assertFalse((beyond & (weight > 0) & (weight < 1)).any())
            self.assertTrue((weight[:10] < 1).all())

    def test_coarse_rows_lie_on_grids_at_varied_places(self):
        ids = Draws(1).integers(0, 1000, 400, 300)
        coarse = coarsened(Draws(2), ids, 1.0)
        two_digit = [row[0].item() % 10 for row in coarse if len({v.item() % 10 for v in row} - {0, 9}) == 1]
        self.assertGreater(two_digit.count(5), 50)
        self.assertGreater(len(set(two_digit)), 3)


class Model(unittest.TestCase):
    def setUp(self):
        torch.manual_seed(0)
        self.model = DigitModel(**TINY)
        self.ids = torch.cat([torch.full((2, 1), BOS), Draws(1).integers(0, 1000, 2, 40)], 1)

    def test_export_is_a_llama_with_the_same_logits(self):
        with tempfile.TemporaryDirectory() as folder:
            export(self.model, folder)
            llama = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
            shape, weights = read_folder(folder)
            tokenizer = AutoTokenizer.from_pretrained(folder)
            with torch.no_grad():
                expected, got = self.model(self.ids), llama(self.ids).logits
        self.assertEqual(shape, TINY)
        self.assertEqual(weights.keys(), llama_weights(self.model).keys())
        self.assertLess((expected - got).abs().max().item(), 0.05)  # BF16 weights
        self.assertEqual(tokenizer("012, 999")["input_ids"], [BOS, 12, 999])

    def test_no_position_sees_the_future(self):
        other = self.ids.clone()
        other[:, 20:] = 7
        with torch.no_grad():
            self.assertTrue(
                torch.allclose(self.model(self.ids)[:, :20], self.model(other)[:, :20], atol=1e-5)
            )

    def test_a_grown_model_computes_the_same(self):
        # of the size of a trained embedding; a fresh one is so small that the norms' epsilon would count
        with torch.no_grad():
            self.model.embedding.smooth.mul_(20)
            self.model.embedding.free.mul_(500)
        with tempfile.TemporaryDirectory() as folder:
            export(self.model, folder)
            small = LlamaForCausalLM.from_pretrained(folder, dtype=torch.float32)
            grown = DigitModel(hidden=128, layers=3, heads=2, inner=160)
            start_from(grown, folder)
            with torch.no_grad():
                difference = (grown(self.ids) - small(self.ids).logits).abs().max().item()
        self.assertLess(difference, 2e-3)

    def test_new_layers_are_spread_over_the_depth(self):
        self.assertEqual(new_layer_places(4, 4), [0, 1, 2, 3])
        for old, new in ((4, 5), (4, 8), (2, 3), (5, 6)):
            places = new_layer_places(old, new)
            self.assertEqual(len(places), new)
            self.assertEqual([p for p in places if p is not None], list(range(old)))


class Objective(unittest.TestCase):
    def test_the_crps_of_a_certain_forecast_is_its_distance(self):
        logits = torch.full((2, 1003), -1e4)
        logits[:, 500] = 0
        self.assertTrue(torch.allclose(bin_crps(logits, torch.tensor([470, 500])), torch.tensor([0.3, 0.0])))

    def test_own_draws_replace_their_share_of_the_values(self):
        torch.manual_seed(0)
        inputs = torch.cat([torch.full((8, 1), BOS), Draws(1).integers(0, 1000, 8, 200)], 1)
        drawn = with_own_draws(DigitModel(**TINY), inputs, 0.3)
        self.assertTrue((drawn[:, 0] == BOS).all())
        self.assertAlmostEqual((drawn != inputs)[:, 1:].float().mean().item(), 0.3, delta=0.05)

    def test_a_teacher_is_followed_in_the_windows_that_it_reads_better(self):
        targets, weights = torch.full((2, 5), 300), torch.ones(2, 5)
        logits = torch.zeros(2, 5, 1003, requires_grad=True)
        taught = torch.zeros(2, 5, 1003)
        taught[0, :, 300], taught[1, :, 700] = 8, 8
        hard = torch.nn.functional.cross_entropy(logits.flatten(0, 1), targets.flatten(), reduction="none")
        loss = followed(logits, targets, weights, taught, 1.0)
        self.assertTrue(torch.allclose(loss[1], hard.view(2, 5)[1]))
        loss.sum().backward()
        law = taught[0].softmax(-1)
        self.assertTrue(torch.allclose(logits.grad[0], torch.full_like(law, 1 / 1003) - law, atol=1e-6))
        # what does not count does not say which is better
        weights[0] = 0
        self.assertTrue(torch.allclose(followed(logits, targets, weights, taught, 1.0), hard.view(2, 5)))


class Training(unittest.TestCase):
    def config(self):
        config = read_config(f"{HERE}/toy.toml", tokens=4096)
        config.model, config.budget["step_tokens"], config.data["round_rows"] = TINY, 256, 60
        return config

    def test_the_rates_rise_stay_and_fall_to_zero(self):
        config = read_config(f"{HERE}/cpu.toml", tokens=1_000_000)
        config.budget |= dict(warm_up=0.02, decay=0.4)
        factors = [config.schedule(t) for t in (0, 10_000, 500_000, 800_000, 1_000_000)]
        self.assertLess(factors[0], 0.01)
        self.assertAlmostEqual(factors[2], 1)
        self.assertAlmostEqual(factors[3], 0.5)
        self.assertEqual(factors[4], 0)

    def test_a_deadline_moves_the_budget_to_what_can_be_seen_until_then(self):
        run = Run(self.config(), "cpu")
        run.tokens = 500
        deadline = Deadline(run, end=time.monotonic() + 30)
        deadline.begun -= 10
        run.tokens += 1000
        deadline.move_budget()
        self.assertAlmostEqual(run.config.budget["tokens"], 1500 + 3000, delta=50)
        deadline.end -= 60
        deadline.move_budget()
        self.assertEqual(run.config.budget["tokens"], run.tokens)

    def test_every_config_is_valid(self):
        for name in ("cpu", "toy", "gpu"):
            config = read_config(f"{HERE}/{name}.toml")
            self.assertEqual(config.name, name)
            for tokens in (0, config.budget["tokens"]):
                self.assertAlmostEqual(sum(config.length_shares(tokens)), 1)

    def test_a_resumed_run_continues_exactly(self):
        straight = Run(self.config(), "cpu")
        settings = dict(crps=0.5, own_draws=0.3)
        loss_of = compiled_loss(straight.model, settings, False)
        for _ in range(3):
            straight.step(loss_of)
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "checkpoint.pt")
            straight.save(path)
            resumed = Run(self.config(), "cpu")
            resumed.load(path)
        for _ in range(3):
            straight.step(loss_of)
            resumed.step(compiled_loss(resumed.model, settings, False))
        for a, b in zip(straight.model.parameters(), resumed.model.parameters()):
            self.assertTrue(torch.equal(a, b))

    def test_a_model_comes_near_its_teacher(self):
        torch.manual_seed(3)
        taught = DigitModel(**TINY)
        with torch.no_grad():
            taught.head.free.normal_(std=0.2)  # sure of something, so that there is much to follow
        with tempfile.TemporaryDirectory() as folder:
            export(taught, folder)
            teacher = loaded(folder)
        run = Run(self.config(), "cpu")
        inputs = run.batch()[0]
        with torch.no_grad():
            law = teacher(inputs).softmax(-1)
            targets = law.flatten(0, 1).multinomial(1).view_as(inputs)
        loss_of = compiled_loss(run.model, dict(crps=0, own_draws=0, follow=1.0), False, teacher)
        loss = loss_of(inputs, targets, torch.ones(inputs.shape))
        with torch.no_grad():
            expected = -(law * run.model(inputs).log_softmax(-1)).sum(-1).mean()
        self.assertAlmostEqual(loss.item(), expected.item(), places=4)
        loss.backward()
        self.assertTrue(all(p.grad is None for p in teacher.parameters()))
        self.assertTrue(all(p.grad is not None for p in run.model.parameters()))


if __name__ == "__main__":
    unittest.main()

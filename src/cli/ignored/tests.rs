use clap::CommandFactory;

use super::*;

fn refused(line: &str) -> Option<String> {
    let words = std::iter::once("statecast").chain(line.split_whitespace());
    let matches = crate::cli::Arguments::command().try_get_matches_from(words);
    let matches = matches.unwrap_or_else(|fault| panic!("{line}: {fault}"));
    refusal(&matches)
}

/// Command lines, each after the flag that has no effect in it.
const WITHOUT_EFFECT: &str = "\
--model: backtest a.csv --model org/name
--policy: replay a.csv --estimators baselines --policy random
--env: replay a.csv --estimators baselines --env pendulum
--behaviour: evaluate a.csv --policy random --estimators behaviour --behaviour random
--env: evaluate a.csv --policy random --estimators behaviour --horizon 9 --env pendulum
--seed: evaluate a.csv --policy random --estimators behaviour --seed 1
--period: forecast a.csv --experts ar --period 7
--calendar: forecast a.csv --experts ar --calendar none
--period: backtest a.csv --models ar,knn --period 7
--simulator: forecast a.csv --experts ar --simulator x
--future: forecast a.csv --experts persistence --future b.csv
--hold-actions: forecast a.csv --experts ar,persistence --hold-actions last
--policy: forecast a.csv --experts persistence --policy constant:1
--model: backtest a.csv --models ar --model builtin
--model: forecast a.csv --experts ar,knn --model org/name
--model: training-run a.csv --until 9 --model org/name
--model: evaluate a.csv --policy random --estimators fqe --model x/y
--temperature: backtest a.csv --models ar --temperature 2
--precision: forecast a.csv --experts ar --precision bf16
--prompt: density a.csv -o d.npz --experts ar --prompt digit
--device: backtest a.csv --models ar,knn --device cpu
--exact: calibrate a.csv --experts ar --exact
--tolerance: forecast a.csv --tolerance 0.1
--components: forecast a.csv --components 2
--components: forecast a.csv --method vicl --components 2
--components: evaluate a.csv --policy random --model org/name --components 2
--components: markov a.csv --components 2
--alpha: forecast a.csv --share 0.1
--alpha: calibrate a.csv --share 0.1
--alpha: backtest a.csv --models builtin --share 0.1
--experts: backtest a.csv --models builtin --experts ar,knn
--experts: training-run a.csv --until 9 --experts ar,knn
--recalibrate: forecast a.csv --experts ar --recalibrate online
--recalibrate: backtest a.csv --models ar,knn --recalibrate online
--origins: forecast a.csv --origins 5
--origins: backtest a.csv --origins 5
--train: forecast a.csv --train b.csv
--train: backtest a.csv --train b.csv
--train: replay a.csv --estimators vicl --train b.csv
--with-reward: markov a.csv --with-reward
--with-reward: training-run a.csv --until 9 --with-reward
--with-reward: evaluate a.csv --policy random --with-reward
--with-reward: replay a.csv --with-reward
--paths: evaluate a.csv --policy random --estimators is,behaviour --paths 9
--contexts: evaluate a.csv --policy random --estimators fqe --contexts 2
--context: evaluate a.csv --policy random --estimators linear,fqe --context 50
--scale: evaluate a.csv --policy random --estimators mlp --scale none
--method: replay a.csv --estimators vicl,baselines --method residual
--seed: markov a.csv --relabellings 0 --seed 3
--metric: training-run a.csv --minima x --metric loss
--blocks: training-run a.csv --minima x --blocks 9
--level: training-run a.csv --minima x --level 0.5
--pool: training-run a.csv --minima x --pool ar
--pool: training-run a.csv --until 9 --models ar --pool ar
--floor: training-run --simulate quadratic --minima x --floor 1
--runs: training-run a.csv --until 9 --runs 5
--steps: training-run a.csv --until 9 --steps 5
--step-size: training-run a.csv --until 9 --step-size 1
--noise: training-run a.csv --until 9 --noise 1
--floor: training-run a.csv --until 9 --floor 1
--save: training-run a.csv --until 9 --save s.csv
--context-runs: training-run a.csv --until 9 --shown 5
--at: training-run a.csv --until 9 --at 1,2
--samples: training-run a.csv --until 9 --models last --samples 20
--seed: training-run a.csv --until 9 --models last --seed 2
--samples: training-run a.csv --minima x --samples 20
--cuts: markov a.csv --label sky --cuts count
--duplicates: forecast a.csv --time none --duplicates last
--method: backtest a.csv --models linear --method vicl
--method: forecast a.csv --experts ar,knn --method residual
--method: markov a.csv --method vicl
--temperatures: markov a.csv --experts ar --temperatures 1,2
--paths: replay a.csv --estimators rules --paths 7
--seed: replay a.csv --estimators baselines --seed 7
--with-reward: train pendulum --out run --with-reward
--temperature: train pendulum --out run --algorithm dicl-sac --experts ar --temperature 2
--alpha: train pendulum --out run --alpha 0.5
--method: train pendulum --out run --method vicl
--augmented: train compare --env pendulum --algorithms sac --augmented alpha
--tokenizer: train pendulum --out run --algorithm dicl-sac --tokenizer t.json
";

/// Fault: `backtest --model X` did nothing unless X was in --models, and others alike.
#[test]
fn flags_without_effect_are_refused() {
    for line in WITHOUT_EFFECT.lines() {
        let (flag, line) = line.split_once(": ").unwrap();
        let refusal = refused(line).unwrap_or_else(|| panic!("{line}: accepted"));
        let says = format!("{flag} has no effect: ");
        assert!(refusal.starts_with(&says), "{line}: {refusal}");
    }
}

const WITH_EFFECT: &str = "\
backtest a.csv --model builtin
backtest a.csv --models org/name --model org/name
backtest a.csv --experts org/name,ar --model org/name
backtest a.csv --models mlp,ar --train b.csv
backtest a.csv --models mixture --alpha 0.1 --experts mlp,ar --train b.csv
forecast a.csv --model org/name --method dicl-s --components 2
forecast a.csv --experts builtin,ar --alpha 0.1 --recalibrate online --origins 5
forecast a.csv --experts ar,knn --recalibrate online
calibrate a.csv --origins 5
markov a.csv --model org/name --temperature 2
training-run a.csv --until 9 --models mixture --experts ar,knn --share 0.1
training-run a.csv --minima x --experts ar,knn
training-run a.csv --until 9 --pool ar,trend
training-run a.csv --until 9 --prefix 5 --models last --seed 2
training-run a.csv --until 9 --models last,trend --samples 20 --seed 2
training-run --simulate quadratic --until 9 --runs 5 --steps 9 --noise 1 --floor 1
training-run a.csv --minima x --context-runs 5 --at 1,2 --seed 2
markov a.csv --states 5 --cuts count
evaluate a.csv --policy random --estimators fqe --paths 9
evaluate a.csv --policy random --estimators dicl-s --model org/name --components 2
replay a.csv --train b.csv
forecast a.csv --duplicates last
backtest a.csv --models linear --method dicl-s
backtest a.csv --models linear,mixture --method vicl
replay a.csv --steps 10,20
simulate pendulum --steps 10 -o r.csv
train pendulum --out run --algorithm dicl-sac --method dicl-s --components 2
train pendulum --out run --steps 10
train pendulum --out run --algorithm dicl-sac --alpha 0.5
train compare --env pendulum --algorithms sac,dicl-sac --augmented alpha
train compare --env pendulum --algorithms sac --controls --augmented alpha
";

#[test]
fn flags_with_effect_are_accepted() {
    for line in WITH_EFFECT.lines() {
        assert_eq!(refused(line), None, "{line}");
    }
}

/// Command lines, and what is said of them.
const TWICE: &str = "\
backtest a.csv --models linear,linear -> --models names linear twice
backtest a.csv --models linear,mixture(ar,ar) -> mixture(ar,ar) names ar twice
backtest a.csv --models ar,mixture(ar) -> --models names ar twice
backtest a.csv --models mixture(ar,knn) --experts ar,linear -> --experts has no effect: 'mixture' is not among --models
forecast a.csv --experts ar,knn,ar -> --experts names ar twice
forecast a.csv --select 1 --select 1 -> --select names 1 twice
evaluate a.csv --policy random --estimators fqe,is,fqe -> --estimators names fqe twice
training-run a.csv --until 9 --pool ar,trend=0.5,trend -> --pool names trend twice
train compare --env pendulum --out r --algorithms sac,sac -> --algorithms names sac twice
forecast a.csv --missing-value -9 --missing-value -9 -> --missing-value names -9 twice
";

/// Fault: `--models linear,linear` forecast twice, and tables had two rows of one name.
#[test]
fn lists_name_everything_once() {
    for line in TWICE.lines() {
        let (line, says) = line.split_once(" -> ").unwrap();
        let refusal = refused(line).unwrap_or_else(|| panic!("{line}: accepted"));
        assert!(refusal.starts_with(says), "{line}: {refusal}");
    }
}

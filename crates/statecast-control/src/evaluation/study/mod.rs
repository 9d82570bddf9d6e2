//! Evaluation of policies from recordings alone, by several estimators.

mod combination;
mod ends;
mod error;
mod estimation;
mod folds;
mod settings;
mod values;

use std::collections::HashSet;
use std::sync::Arc;

pub use error::EvaluationStudyError;
pub use settings::{EvaluationSettings, Termination};
pub use values::{PolicyEstimate, PolicyValues, RecordedPolicy};

use super::{
    Estimator, EvaluationError, FittedQ, Logged, RecordedSupport, ReturnDistribution,
    ReturnStatistics, RolloutSpec, Value, recorded_return, recording_of, simulated,
    simulated_returns, unsupported_actions,
};
use crate::environment::{Environment, FailureExpression, Task, TerminationRule};
use crate::forecasters::Forecasters;
use crate::model::Work;
use crate::policy::{Cloned, Policy, PolicyError, Widths};
use crate::recording::Recording;
use crate::study::Observer;
use combination::combine;
use ends::{check_termination, rules, termination_model, with_ends};
use estimation::Estimation;
use folds::FoldModels;

/// A policy to evaluate.
pub struct NamedPolicy {
    /// Its name in the result.
    pub name: String,
    /// The policy.
    pub policy: Box<dyn Policy>,
    /// Index of the recording that it made, if it made one: its returns there are its own.
    pub recorded_in: Option<usize>,
    /// Whether it remembers what it was asked, as a program that draws may: then it is asked for the actions of
    /// its paths only.
    pub stateful: bool,
    /// Its true value, if that is known.
    pub truth: Option<Value>,
    /// Statistics of its true returns, if it was simulated.
    pub true_returns: Option<ReturnStatistics>,
}

impl NamedPolicy {
    /// A policy without memory that made no recording.
    pub fn new(name: impl Into<String>, policy: Box<dyn Policy>) -> Self {
        Self {
            name: name.into(),
            policy,
            recorded_in: None,
            stateful: false,
            truth: None,
            true_returns: None,
        }
    }
}

/// The behaviour policy of a recording, given or cloned.
struct Behaviour {
    name: String,
    policy: Box<dyn Policy>,
    /// Rollouts from the recording's own starts.
    spec: RolloutSpec,
    actual: Value,
}

/// Recordings of one system from which policies are evaluated.
///
/// ```
/// use statecast::Recording;
/// use statecast::evaluation::{EvaluationSettings, EvaluationStudy, NamedPolicy};
/// use statecast::forecasters::Forecasters;
/// use statecast::policy::Constant;
/// let recording = Recording::read("examples/pendulum.csv")?;
/// let mut settings = EvaluationSettings::new(vec!["linear".parse()?, "fqe".parse()?]);
/// settings.horizon = Some(20);
/// let study = EvaluationStudy::new(vec![("log".to_owned(), recording)], None, settings, &())?;
/// let push = Constant::new(vec![2.0], study.widths().observations);
/// let mut policies = [NamedPolicy::new("push", Box::new(push))];
/// let forecasters = Forecasters::new(&[], Vec::new())?; // neither estimator reads with a language model
/// let values = study.run(&mut policies, &forecasters, &())?;
/// let value = values.estimates[0].value.unwrap();
/// assert!(value.low < value.mean && value.mean < value.high);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
pub struct EvaluationStudy {
    names: Vec<String>,
    logged: Logged,
    state_names: Vec<String>,
    action_names: Vec<String>,
    settings: EvaluationSettings,
    spec: RolloutSpec,
    /// One per recording, or none.
    behaviours: Vec<Box<dyn Policy>>,
}

impl EvaluationStudy {
    /// Collects the runs of named recordings, all of one system, of a task whose reward and termination are known or
    /// of none. Recordings should have been read with [`transitions`](crate::recording::RoleSelection::transitions),
    /// so that states after last steps and log probabilities of actions are known.
    ///
    /// # Errors
    /// [`EvaluationStudyError`] if the settings or the recordings are not suitable.
    pub fn new(
        recordings: Vec<(String, Recording)>,
        task: Option<&Task>,
        settings: EvaluationSettings,
        observer: &dyn Observer,
    ) -> Result<Self, EvaluationStudyError> {
        settings.check()?;
        let (names, recordings): (Vec<String>, Vec<Recording>) = recordings.into_iter().unzip();
        if let Some(first) = recordings.first() {
            check_task(task, first.state_names(), first.action_names())?;
        }
        let rules = rules(task, &settings, &recordings)?;
        let failure = settings
            .failure
            .as_ref()
            .map(|failure| failure_rule(failure, task, &recordings));
        let failure = failure.transpose()?;
        let logged = Logged::new(&recordings, &rules)?;
        if let Some(failure) = &failure {
            logged.check_defined(failure, "failure-expr")?;
        }
        check_termination(task, settings.termination, &logged)?;
        let logged = with_ends(logged, settings.termination, observer);
        let longest = logged.runs.iter().map(|run| run.steps()).max();
        let horizon = match (settings.horizon, task) {
            (Some(horizon), _) => horizon,
            (None, Some(task)) => task.time_limit,
            (None, None) => longest.unwrap_or(1),
        };
        let termination = termination_model(&rules, settings.termination, &logged, observer);
        if let (Some(failure), Some(_)) = (&settings.failure, &termination) {
            return Err(EvaluationStudyError::Setting {
                setting: "failure-expr",
                value: failure.to_string(),
                range: "needs ends by a rule, `terminated-expr=` ('0' for none): as recorded, episodes end with a \
                        probability at every step"
                    .to_owned(),
            });
        }
        let spec = RolloutSpec {
            starts: logged.distinct_starts(),
            paths: settings.paths,
            horizon,
            discount: settings.discount,
            termination,
            rules,
            failure,
            support: RecordedSupport::of(&logged).map(Arc::new),
            seed: settings.seed,
        };
        Ok(Self {
            names,
            state_names: recordings[0].state_names().to_vec(),
            action_names: recordings[0].action_names().to_vec(),
            logged,
            settings,
            spec,
            behaviours: Vec::new(),
        })
    }

    /// The same with the policies that made the recordings, in their order. Without them, they are cloned from the
    /// recordings.
    ///
    /// # Errors
    /// [`EvaluationStudyError::Behaviours`] if there is not one for each recording; [`PolicyError`] if one has other widths than
    /// the recordings or cannot tell probabilities that it should know.
    pub fn with_behaviours(
        mut self,
        policies: Vec<Box<dyn Policy>>,
    ) -> Result<Self, EvaluationStudyError> {
        if policies.len() != self.names.len() {
            return Err(EvaluationStudyError::Behaviours {
                policies: policies.len(),
                recordings: self.names.len(),
            });
        }
        for (source, policy) in policies.iter().enumerate() {
            check_widths(&**policy, self.widths())?;
            let of = EvaluationStudyError::of(format!("recording {}", self.names[source]));
            let logged = self.logged.with_behaviour_policy(source, &**policy);
            self.logged = logged.map_err(EvaluationStudyError::from).map_err(of)?;
        }
        Ok(Self {
            behaviours: policies,
            ..self
        })
    }

    /// Numbers of states and actions, which policies must have.
    pub fn widths(&self) -> Widths {
        widths(&self.logged)
    }

    /// Steps of an episode.
    pub fn horizon(&self) -> usize {
        self.spec.horizon
    }

    /// True if rewards are predicted, because no task gives them.
    pub fn predicts_rewards(&self) -> bool {
        self.spec.rules.reward.is_none()
    }

    /// The largest forecast of a language model, to be prepared for.
    pub fn work(&self) -> Work {
        Work {
            channels: self.logged.states() + self.logged.actions() + 1,
            rows: self.settings.context,
            paths: self
                .settings
                .paths
                .div_ceil(folds::folds(&self.logged, self.settings.contexts)),
            horizon: self.spec.horizon + 1,
        }
    }

    /// Sets the true values of policies by running them in an environment for some episodes each.
    ///
    /// # Errors
    /// [`EvaluationStudyError::OtherTask`] for an environment of another system; or what the environment or a policy refuses.
    pub fn simulate(
        &self,
        environment: &mut dyn Environment,
        policies: &mut [NamedPolicy],
        episodes: usize,
    ) -> Result<(), EvaluationStudyError> {
        check_task(
            Some(environment.task()),
            &self.state_names,
            &self.action_names,
        )?;
        let (discount, horizon) = (self.spec.discount, self.spec.horizon);
        for named in policies {
            check_widths(&*named.policy, self.widths())?;
            let policy = &mut *named.policy;
            let returns = simulated_returns(
                environment,
                policy,
                episodes,
                discount,
                horizon,
                self.spec.failure.as_ref(),
            );
            let of = EvaluationStudyError::of(format!("policy {}", named.name));
            let returns = returns.map_err(EvaluationStudyError::from).map_err(of)?;
            named.truth = Some(simulated(&returns));
            named.true_returns = Some(ReturnStatistics::of(&returns));
        }
        Ok(())
    }

    /// Evaluates policies, with the forecasters' language model where estimators need one.
    ///
    /// # Errors
    /// [`EvaluationStudyError`] if policies have one name or other widths than the system, or an estimator or a policy
    /// fails.
    pub fn run(
        mut self,
        policies: &mut [NamedPolicy],
        forecasters: &Forecasters,
        observer: &dyn Observer,
    ) -> Result<PolicyValues, EvaluationStudyError> {
        check_names(policies.iter().map(|named| named.name.as_str()))?;
        for named in policies.iter() {
            check_widths(&*named.policy, self.widths())
                .map_err(EvaluationStudyError::of(format!("policy {}", named.name)))?;
        }
        self.find_recordings(policies, observer)?;
        let mut behaviours = self.behaviours(observer);
        let mut values = PolicyValues {
            policies: policies.iter().map(|p| p.name.clone()).collect(),
            estimators: self.settings.estimators.clone(),
            estimates: Vec::new(),
            truth: policies.iter().map(|p| p.truth).collect(),
            true_returns: policies.iter().map(|p| p.true_returns).collect(),
            recorded_returns: policies
                .iter()
                .map(|named| self.own_return(named.recorded_in))
                .collect(),
            horizon: self.spec.horizon,
            recorded: behaviours
                .iter()
                .map(|behaviour| behaviour.recorded(&self.settings.estimators))
                .collect(),
        };
        observer.begin("fitting models");
        let progress = |share| observer.progress(share);
        let models = FoldModels::fit(&self.settings, &self.logged, &progress)?;
        self.warn_of_actions(policies, observer)?;
        let estimation = Estimation {
            settings: &self.settings,
            logged: &self.logged,
            spec: &self.spec,
            models: &models,
            forecasters,
            observer,
        };
        let mut fitted: Vec<Option<Arc<FittedQ>>> = vec![None; policies.len()];
        let mut found = vec![Vec::new(); self.settings.estimators.len()];
        for place in values_first(&self.settings.estimators) {
            found[place] = estimation.estimates(
                place,
                policies,
                &mut fitted,
                &mut behaviours,
                &mut values.recorded,
            )?;
        }
        values.estimates = found.concat();
        combine(&mut values);
        for estimate in &mut values.estimates {
            estimate.distribution = estimate.distribution.map(ReturnDistribution::within_bounds);
        }
        self.note(&values, observer);
        Ok(values)
    }

    /// Finds the recordings that policies made by their actions, where it is not said.
    fn find_recordings(
        &self,
        policies: &mut [NamedPolicy],
        observer: &dyn Observer,
    ) -> Result<(), EvaluationStudyError> {
        let unknown = policies
            .iter_mut()
            .filter(|named| named.recorded_in.is_none() && !named.stateful);
        for named in unknown {
            let found = recording_of(&mut *named.policy, &self.logged, self.settings.seed);
            let of = EvaluationStudyError::of(format!("policy {}", named.name));
            named.recorded_in = found.map_err(EvaluationStudyError::from).map_err(of)?;
            if let Some(source) = named.recorded_in {
                observer.note(&format!(
                    "policy {} acts as the one that made {}: its returns there count as its own",
                    named.name, self.names[source]
                ));
            }
        }
        Ok(())
    }

    /// Returns the mean return of a policy's own recording, if its runs cover the horizon.
    fn own_return(&self, source: Option<usize>) -> Option<Value> {
        let own = recorded_return(&self.logged, source?, self.spec.discount, self.spec.horizon);
        (own.horizon == self.spec.horizon).then_some(own.value)
    }

    /// Notes which estimators have no value, and why, and what cannot be compared.
    fn note(&self, values: &PolicyValues, observer: &dyn Observer) {
        let horizon = self.spec.horizon;
        let covered = self.logged.covered_horizon(|_| true, horizon).0;
        let counting = values.estimators.iter().filter(|e| e.counts_recorded());
        let names: Vec<&str> = counting.map(|estimator| estimator.name()).collect();
        if covered < horizon && !names.is_empty() {
            observer.note(&format!(
                "{}: no value: recorded episodes cover {covered} steps, the horizon is {horizon} (`horizon=`)",
                names.join(", ")
            ));
        }
        let unknown = self.settings.failure.as_ref();
        if let Some(failure) = unknown.filter(|_| !values.failures_are_known()) {
            observer.warning(&format!(
                "`failure-expr={failure}`: no estimator has two models or more (`contexts=`), so that no probability is known"
            ));
        }
        let mut simulated = values.true_returns.iter().flatten();
        let ends = simulated.any(|returns| returns.termination > 0.0);
        if ends && self.settings.termination == Some(Termination::Never) {
            observer.warning(
                "`termination=never`: simulated episodes terminate and the estimates ignore that, so that they are not comparable",
            );
        }
        let remarks = values.remarks(covered >= horizon);
        remarks.iter().for_each(|remark| observer.note(remark));
    }

    /// Warns of policies whose actions leave the recorded ones.
    fn warn_of_actions(
        &self,
        policies: &mut [NamedPolicy],
        observer: &dyn Observer,
    ) -> Result<(), EvaluationStudyError> {
        let states: Vec<_> = self.logged.runs.iter().map(|run| run.before()).collect();
        let actions = self.logged.runs.iter().map(|run| run.actions.view());
        let actions: Vec<_> = actions.collect();
        for named in policies.iter_mut().filter(|named| !named.stateful) {
            let seed = self.settings.seed;
            for beyond in unsupported_actions(&mut *named.policy, &states, &actions, seed)? {
                observer.warning(&beyond.described(&named.name, &self.action_names));
            }
        }
        Ok(())
    }

    /// Returns the behaviour policies: as given, or cloned from the recordings.
    fn behaviours(&mut self, observer: &dyn Observer) -> Vec<Behaviour> {
        let mut given = std::mem::take(&mut self.behaviours).into_iter();
        let logged = &self.logged;
        let of_source = |(source, name): (usize, &String)| {
            let policy: Box<dyn Policy> = given.next().unwrap_or_else(|| {
                let (observations, actions) = logged.observations_and_actions_of(source);
                let seed = self.settings.seed;
                Box::new(Cloned::fit(observations.view(), actions.view(), seed))
            });
            let spec = &self.spec;
            let returned = recorded_return(logged, source, spec.discount, spec.horizon);
            if returned.left_out > 0 {
                observer.note(&format!(
                    "{name}: {} episode(s) were truncated before {} steps and are left out of its return",
                    returned.left_out, returned.horizon
                ));
            }
            Behaviour {
                name: name.clone(),
                policy,
                spec: RolloutSpec {
                    starts: logged.starts_of(source),
                    horizon: returned.horizon,
                    ..spec.clone()
                },
                actual: returned.value,
            }
        };
        self.names.iter().enumerate().map(of_source).collect()
    }
}

impl Behaviour {
    /// Returns the recorded return, without estimates yet.
    fn recorded(&self, estimators: &[Estimator]) -> RecordedPolicy {
        RecordedPolicy {
            name: self.name.clone(),
            actual: self.actual,
            steps: self.spec.horizon,
            imagined: vec![None; estimators.len()],
        }
    }
}

fn widths(logged: &Logged) -> Widths {
    Widths {
        observations: logged.states(),
        actions: logged.actions(),
    }
}

/// Returns the places of estimators, those first that fit value functions, by which the others' models are judged.
fn values_first(estimators: &[Estimator]) -> Vec<usize> {
    let mut places: Vec<usize> = (0..estimators.len()).collect();
    places.sort_by_key(|&place| !matches!(estimators[place], Estimator::Fqe | Estimator::Dr));
    places
}

/// Binds failures to the names of the task's observations, or of the recordings' states.
fn failure_rule(
    failure: &FailureExpression,
    task: Option<&Task>,
    recordings: &[Recording],
) -> Result<TerminationRule, EvaluationError> {
    let observations = task.map_or(&[][..], |task| task.observation);
    let named = observations.iter().map(|quantity| quantity.name.to_owned());
    let by_task = failure.bind(&named.collect::<Vec<_>>());
    let recorded = recordings.first().map_or(&[][..], Recording::state_names);
    match (by_task, failure.bind(recorded)) {
        (Ok(rule), _) | (Err(_), Ok(rule)) => Ok(rule),
        (Err(of_task), Err(of_recording)) => Err(match task {
            Some(_) => of_task.into(),
            None => of_recording.into(),
        }),
    }
}

/// Checks that recorded states and actions are those of a task, before its rules are applied to them.
pub(in crate::evaluation) fn check_task(
    task: Option<&Task>,
    states: &[String],
    actions: &[String],
) -> Result<(), EvaluationStudyError> {
    let Some(task) = task else { return Ok(()) };
    let (observations, width) = (task.observation.len(), task.action_space.width());
    let recorded = (states.len(), actions.len());
    if recorded != (observations, width) && !actions.is_empty() {
        return Err(EvaluationStudyError::OtherTask {
            task: task.name,
            observations,
            actions: width,
            recorded,
        });
    }
    match task.is_in_other_order(states) {
        true => Err(EvaluationStudyError::OtherOrder {
            task: task.name,
            expected: task.observation.iter().map(|of| of.name).collect(),
            found: states.to_vec(),
        }),
        false => Ok(()),
    }
}

/// Checks that no two policies have one name, by which results are told apart.
///
/// # Errors
/// [`EvaluationStudyError::SameName`] otherwise.
pub fn check_names<'n>(
    mut policies: impl Iterator<Item = &'n str>,
) -> Result<(), EvaluationStudyError> {
    let mut names = HashSet::new();
    let twice = policies.find(|name| !names.insert(*name));
    twice.map_or(Ok(()), |name| {
        Err(EvaluationStudyError::SameName(name.to_owned()))
    })
}

/// Checks that a policy is one for this system.
pub(in crate::evaluation) fn check_widths(
    policy: &dyn Policy,
    system: Widths,
) -> Result<(), EvaluationStudyError> {
    let policy = policy.widths();
    match policy == system {
        true => Ok(()),
        false => Err(PolicyError::Widths { policy, system }.into()),
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use super::*;
    use crate::evaluation::{Estimator, RolloutModel, SimulatedReturn};
    use crate::policy::Constant;

    fn study(settings: EvaluationSettings) -> Result<EvaluationStudy, EvaluationStudyError> {
        let recording = Recording::read("examples/pendulum.csv").unwrap();
        EvaluationStudy::new(vec![("log".to_owned(), recording)], None, settings, &())
    }

    fn linear() -> EvaluationSettings {
        EvaluationSettings::new(vec![Estimator::Rollouts(RolloutModel::Linear)])
    }

    #[test]
    fn a_termination_setting_without_effect_is_refused() {
        let mut never = linear();
        never.termination = Some(Termination::Never);
        assert!(matches!(
            study(never).err(),
            Some(EvaluationStudyError::NoTermination("never"))
        ));
    }

    /// Fault: imagined episodes without an end were compared with simulated ones that end, and nothing was said.
    #[test]
    fn paths_that_never_end_are_not_silently_compared_with_episodes_that_do() {
        struct Warnings(Mutex<Vec<String>>);
        impl Observer for Warnings {
            fn warning(&self, text: &str) {
                self.0.lock().unwrap().push(text.to_owned());
            }
        }
        let mut settings = linear();
        (settings.termination, settings.horizon) = (Some(Termination::Never), Some(5));
        let task = Task::named("pendulum").ok();
        let forecasters = Forecasters::new(&[], Vec::new()).unwrap();
        for (termination, warned) in [(0.0, false), (0.1, true)] {
            let ended = SimulatedReturn {
                value: 0.0,
                terminated: true,
                failed: None,
            };
            let mut policies = [NamedPolicy::new(
                "none",
                Box::new(Constant::new(vec![0.0], 3)),
            )];
            policies[0].true_returns = Some(ReturnStatistics {
                termination,
                ..ReturnStatistics::of(&[ended])
            });
            let recording = Recording::read("examples/pendulum.csv").unwrap();
            let recordings = vec![("log".to_owned(), recording)];
            let study = EvaluationStudy::new(recordings, task, settings.clone(), &()).unwrap();
            let warnings = Warnings(Mutex::default());
            study.run(&mut policies, &forecasters, &warnings).unwrap();
            let said = warnings.0.into_inner().unwrap();
            let found = said.iter().any(|text| text.contains("not comparable"));
            assert_eq!(found, warned, "{said:?}");
        }
    }

    /// Fault: a policy of other widths ended in a panic of the matrix library.
    #[test]
    fn policies_are_of_the_system() {
        let other = Constant::new(vec![1.0, 2.0], 3);
        let mut policies = [NamedPolicy::new("other", Box::new(other))];
        let forecasters = Forecasters::new(&[], Vec::new()).unwrap();
        let study = study(linear()).unwrap();
        let error = study.run(&mut policies, &forecasters, &());
        let error = error.unwrap_err().to_string();
        assert!(
            error.starts_with("policy other: the policy takes 3 observations and gives 2"),
            "{error}"
        );
        let mut none = linear();
        none.contexts = 0;
        assert!(matches!(
            self::study(none).err(),
            Some(EvaluationStudyError::Setting {
                setting: "contexts",
                ..
            })
        ));
    }

    /// Results are told apart by name alone.
    #[test]
    fn policies_have_names_of_their_own() {
        let push = |name: &str| NamedPolicy::new(name, Box::new(Constant::new(vec![1.0], 3)));
        let mut same = [push("a"), push("b"), push("a")];
        let forecasters = Forecasters::new(&[], Vec::new()).unwrap();
        let study = study(linear()).unwrap();
        let error = study.run(&mut same, &forecasters, &());
        assert_eq!(
            error.unwrap_err().to_string(),
            "two policies are called a: name one with `policy=NAME=SOURCE`"
        );
    }

    #[test]
    fn every_recording_has_its_behaviour_policy_or_none() {
        let error = study(linear()).unwrap().with_behaviours(Vec::new()).err();
        assert_eq!(
            error.unwrap().to_string(),
            "0 `behaviour=` for 1 files: give one for each file, or none"
        );
    }
}

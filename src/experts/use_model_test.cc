#include "experts/use_model.h"

#include <gtest/gtest.h>

#include <cmath>
#include <vector>

namespace sluice {
namespace {

constexpr float kAverage = 0.05F;

// What is known of a few experts.
struct Known {
  explicit Known(size_t experts)
      : often_lately(experts), often(experts), was_used(experts), of_token(experts), of_topic(experts) {}
  UseModel::Inputs inputs() const { return {often_lately, often, was_used, of_token, of_topic}; }
  std::vector<float> often_lately, often, was_used, of_token, of_topic;
};

std::vector<float> foretold(const UseModel& model, const Known& known) {
  std::vector<float> probabilities(known.often.size());
  model.foretell(known.inputs(), kAverage, probabilities);
  return probabilities;
}

void learn(UseModel& model, const Known& known, const std::vector<float>& came) {
  model.learn(known.inputs(), foretold(model, known), came);
}

TEST(UseModel, AnExpertLikeAnyOtherIsAboutAsProbableAsTheAverage) {
  EXPECT_NEAR(foretold(UseModel(1.0F), Known(1))[0], kAverage, 0.01F);
}

TEST(UseModel, MoreVotesAreBelievedMoreWhenTheVisitIsNear) {
  Known known(2);
  known.of_token = {2, 0};
  const auto near = foretold(UseModel(0.0F), known);
  const auto far = foretold(UseModel(1.0F), known);
  EXPECT_GT(far[0], far[1]);
  EXPECT_GT(near[0], far[0]);
}

TEST(UseModel, IsTheLogisticFunctionWhateverThePlaceAndTheNumberOfExperts) {
  const UseModel model(0.0F);  // 1.8 for a vote of the token, -0.7 before
  for (size_t experts = 1; experts < 12; ++experts) {
    Known known(experts);
    for (size_t i = 0; i < experts; ++i) known.of_token[i] = 12.0F * float(i) - 50;
    const auto probabilities = foretold(model, known);
    for (size_t i = 0; i < experts; ++i) {
      const double logit = std::log(0.05 / 0.95) - 0.7 + 1.8 * double(known.of_token[i]);
      const double expected = std::max(1 / (1 + std::exp(-logit)), std::exp2(-100.0));
      EXPECT_NEAR(double(probabilities[i]) / expected, 1, 3e-4) << i;
    }
  }
}

TEST(UseModel, LearnsWhatAnInputIsWorth) {
  // Only experts that were used a lot lately are used, whatever the model believed before.
  UseModel model(1.0F);
  Known known(5);
  known.often_lately = {2, -2, -2, 2, 2};
  for (int visit = 0; visit < 2000; ++visit) learn(model, known, {1, 0, 0, 1, 1});
  const auto probabilities = foretold(model, known);
  EXPECT_GT(probabilities[4], 0.9F);
  EXPECT_LT(probabilities[2], 0.1F);
}

TEST(UseModel, UnlearnsAnInputThatMisleads) {
  UseModel model(0.0F);
  Known known(1);
  known.of_token = {2};
  const float before = foretold(model, known)[0];
  for (int visit = 0; visit < 500; ++visit) learn(model, known, {0});
  EXPECT_LT(foretold(model, known)[0], before / 4);
}

TEST(UseModel, ExpertsThatAreNotThereTeachNothing) {
  // One expert in a vector, and four, all alike and foretold alike: four times the gradient, the same step.
  UseModel one(0.5F), four(0.5F);
  for (int visit = 0; visit < 20; ++visit) {
    learn(one, Known(1), {1});
    learn(four, Known(4), {1, 1, 1, 1});
  }
  EXPECT_NEAR(foretold(one, Known(1))[0], foretold(four, Known(1))[0], 0.01F);
}

}  // namespace
}  // namespace sluice

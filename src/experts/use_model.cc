#include "experts/use_model.h"

#include <cmath>
#include <cstdint>
#include <cstring>

namespace sluice {
namespace {

// What two recorded traces taught, rounded; where a model starts. Order: constant, inputs as declared.
constexpr std::array<float, 6> kNextLayer = {-0.7F, 0.2F, -0.2F, 0.55F, 1.8F, 0.0F};
constexpr std::array<float, 6> kNextToken = {-0.1F, 0.1F, 0.2F, 0.55F, 0.8F, 0.2F};
constexpr float kLearningRate = 0.05F;
constexpr float kFirstSquare = 0.01F;

// Four experts at a time, in the vectors that every machine has.
constexpr size_t kLanes = 4;
using Lanes = float __attribute__((vector_size(kLanes * sizeof(float))));
using IntLanes = int32_t __attribute__((vector_size(kLanes * sizeof(int32_t))));
using Terms = std::array<Lanes, 6>;

// Values from `begin` on; 0 behind the last.
Lanes load(std::span<const float> values, size_t begin) {
  Lanes lanes{};
  const size_t count = values.size() - begin;
  // A copy of known length is one instruction.
  if (count >= kLanes) {
    std::memcpy(&lanes, values.data() + begin, sizeof lanes);
  } else {
    std::memcpy(&lanes, values.data() + begin, count * sizeof(float));
  }
  return lanes;
}

void store(const Lanes& lanes, size_t begin, std::span<float> values) {
  const size_t count = values.size() - begin;
  if (count >= kLanes) {
    std::memcpy(values.data() + begin, &lanes, sizeof lanes);
  } else {
    std::memcpy(values.data() + begin, &lanes, count * sizeof(float));
  }
}

Terms terms(const UseModel::Inputs& inputs, size_t begin) {
  return {Lanes{} + 1.0F,
          load(inputs.often_lately, begin),
          load(inputs.often, begin),
          load(inputs.was_used, begin),
          load(inputs.votes_of_token, begin),
          load(inputs.votes_of_topic, begin)};
}

// 2^x to 6 digits, for |x| <= 100 (what is beyond is taken for that).
Lanes exp2_of(Lanes x) {
  x = x > 100.0F ? Lanes{} + 100.0F : x;
  x = x < -100.0F ? Lanes{} - 100.0F : x;
  const IntLanes whole = __builtin_convertvector(x + 1000.5F, IntLanes) - 1000;
  const Lanes part = x - __builtin_convertvector(whole, Lanes);  // within a half of 0
  // The Taylor series of 2^x.
  Lanes power = Lanes{} + 0.00133335581F;
  for (const float coefficient : {0.00961812911F, 0.0555041087F, 0.240226507F, 0.693147181F, 1.0F})
    power = power * part + coefficient;
  const IntLanes scale = (whole + 127) << 23;
  Lanes scaled;
  std::memcpy(&scaled, &scale, sizeof scaled);
  return power * scaled;
}

}  // namespace

UseModel::UseModel(float lead) {
  for (size_t i = 0; i < kTerms; ++i) weights_[i] = std::lerp(kNextLayer[i], kNextToken[i], lead);
  squared_steps_.fill(kFirstSquare);
}

void UseModel::foretell(const Inputs& inputs, float average, std::span<float> probabilities) const {
  constexpr float kLog2E = 1.44269504F;
  const float usual = std::log(average / (1 - average));
  for (size_t begin = 0; begin < probabilities.size(); begin += kLanes) {
    const Terms x = terms(inputs, begin);
    Lanes logit = Lanes{} + usual;
    for (size_t i = 0; i < kTerms; ++i) logit += weights_[i] * x[i];
    store(1.0F / (1.0F + exp2_of(-kLog2E * logit)), begin, probabilities);
  }
}

void UseModel::learn(const Inputs& inputs, std::span<const float> foretold, std::span<const float> came) {
  Terms gradients{};
  for (size_t begin = 0; begin < foretold.size(); begin += kLanes) {
    const Terms x = terms(inputs, begin);
    const Lanes error = load(foretold, begin) - load(came, begin);  // 0 behind the last
    for (size_t i = 0; i < kTerms; ++i) gradients[i] += error * x[i];
  }
  for (size_t i = 0; i < kTerms; ++i) {
    float gradient = 0;
    for (size_t lane = 0; lane < kLanes; ++lane) gradient += gradients[i][lane];
    squared_steps_[i] += gradient * gradient;
    weights_[i] -= kLearningRate * gradient / std::sqrt(squared_steps_[i]);
  }
}

}  // namespace sluice

#include "engine/synth_routing.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace sluice {
namespace {

constexpr double kMostPopular = 0.95;

double unit(uint64_t word) {
  return static_cast<double>(word >> 11) * 0x1p-53;
}

// The z that a standard normal exceeds with probability `tail`, by bisection: this runs once per expert.
double normal_exceeded_by(double tail) {
  double low = -9, high = 9;
  for (int i = 0; i < 60; ++i) {
    const double middle = (low + high) / 2;
    (0.5 * std::erfc(middle / std::sqrt(2.0)) > tail ? low : high) = middle;
  }
  return low;
}

// The numbers 0 ... count - 1 in random order.
std::vector<uint32_t> shuffled(uint32_t count, const RandomWords& random) {
  std::vector<uint32_t> order(count);
  std::iota(order.begin(), order.end(), 0U);
  for (uint32_t left = count; left > 1; --left) std::swap(order[left - 1], order[random.at(left) % left]);
  return order;
}

}  // namespace

std::vector<double> expert_popularity(uint32_t experts, uint32_t chosen, double skew,
                                      const RandomWords& random) {
  const std::vector<uint32_t> ranks = shuffled(experts, random);
  std::vector<double> popularity(experts);
  for (uint32_t e = 0; e < experts; ++e) popularity[e] = std::pow(ranks[e] + 1.0, -skew);
  // What is cut off at the top goes to the others; a few rounds settle it.
  for (int round = 0; round < 50; ++round) {
    const double factor = chosen / std::accumulate(popularity.begin(), popularity.end(), 0.0);
    for (double& share : popularity) share = std::min(share * factor, kMostPopular);
  }
  return popularity;
}

std::vector<float> bias_for_popularity(const std::vector<double>& popularity) {
  std::vector<float> bias;
  for (const double share : popularity) {
    const double threshold = normal_exceeded_by(share);
    bias.push_back(static_cast<float>(-std::sqrt(std::log1p(std::exp(threshold)))));
  }
  const float mean = std::accumulate(bias.begin(), bias.end(), 0.0F) / static_cast<float>(bias.size());
  for (float& b : bias) b -= mean;
  return bias;
}

std::vector<int64_t> expert_table_for_popularity(const std::vector<double>& popularity, uint32_t vocab,
                                                 uint32_t chosen, const RandomWords& random) {
  std::vector<double> until(popularity.size());
  std::partial_sum(popularity.begin(), popularity.end(), until.begin());
  std::vector<int64_t> table;
  uint64_t drawn = 0;
  for (uint32_t token = 0; token < vocab; ++token) {
    const auto row = static_cast<std::ptrdiff_t>(table.size());
    while (table.size() < static_cast<size_t>(row) + chosen) {
      const auto found = std::ranges::upper_bound(until, unit(random.at(drawn++)) * until.back());
      const int64_t expert = std::min<int64_t>(found - until.begin(), std::ssize(until) - 1);
      if (std::find(table.begin() + row, table.end(), expert) == table.end()) table.push_back(expert);
    }
  }
  return table;
}

}  // namespace sluice

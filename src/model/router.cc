#include "model/router.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

#include "kernels/matmul.h"
#include "kernels/sinkhorn.h"
#include "kernels/top_k.h"

namespace sluice {
namespace {

// In place: products -> scores.
void apply_scoring(ScoringFunc scoring, std::span<float> scores) {
  switch (scoring) {
    case ScoringFunc::kSqrtSoftplus:
      // softplus(x) = max(x, 0) + log(1 + exp(-|x|)), which no x overflows.
      for (float& s : scores) s = std::sqrt(std::max(s, 0.0F) + std::log1p(std::exp(-std::abs(s))));
      return;
    case ScoringFunc::kSigmoid:
      for (float& s : scores) s = sigmoid(s);
      return;
    case ScoringFunc::kSoftmax: {
      const float largest = *std::max_element(scores.begin(), scores.end());
      float total = 0;
      for (float& s : scores) total += s = std::exp(s - largest);
      for (float& s : scores) s /= total;
      return;
    }
  }
}

// Copies what it chose by to `shown`, unless null.
void choose_by_score(const RouterWeights& weights, std::span<const float> scores, std::span<uint32_t> experts,
                     float* shown) {
  std::vector<float> biased(scores.begin(), scores.end());
  for (size_t e = 0; e < biased.size(); ++e) biased[e] += weights.bias[e];
  if (shown != nullptr) std::ranges::copy(biased, shown);
  const auto chosen = top_k(biased, experts.size());
  std::copy(chosen.begin(), chosen.end(), experts.begin());
}

}  // namespace

void weigh_experts(const ModelConfig& config, std::span<const float> scores,
                   std::span<const uint32_t> experts, std::span<float> weights) {
  float total = 0;
  for (const uint32_t e : experts) total += scores[e];
  const float scale = static_cast<float>(config.routed_scaling_factor) / total;
  for (size_t rank = 0; rank < experts.size(); ++rank) weights[rank] = scores[experts[rank]] * scale;
}

Routing route(const ForwardContext& context, const RouterWeights& weights, const float* x, const Batch& batch,
              const RouterScores* shown) {
  const ModelConfig& config = context.config;
  const size_t k = config.num_experts_per_tok;
  const size_t expert_count = config.n_routed_experts;
  const Routing routing{context.workspace.indices(batch.rows() * k),
                        context.workspace.floats(batch.rows() * k)};
  const Workspace::Scope scope(context.workspace);
  float* scores = context.workspace.floats(batch.rows() * expert_count);
  matmul(context.pool, weights.gate, x, batch.rows(), scores);
  context.pool.parallel_for(batch.rows(), 16, [&](size_t begin, size_t end) {
    for (size_t t = begin; t < end; ++t) {
      const std::span token_scores(scores + t * expert_count, expert_count);
      const std::span experts(routing.experts + t * k, k);
      apply_scoring(config.scoring_func, token_scores);
      if (weights.table) {
        for (uint32_t rank = 0; rank < k; ++rank) {
          experts[rank] = weights.table->expert(static_cast<uint32_t>(batch.id(t)), rank);
        }
      } else {
        choose_by_score(weights, token_scores, experts,
                        shown == nullptr ? nullptr : shown->biased + t * expert_count);
      }
      if (shown != nullptr) std::ranges::copy(token_scores, shown->plain + t * expert_count);
      weigh_experts(config, token_scores, experts, {routing.weights + t * k, k});
    }
  });
  return routing;
}

}  // namespace sluice

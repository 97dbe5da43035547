#include "model/expert_products.h"

#include <vector>

#include "kernels/activations.h"
#include "kernels/share_rows.h"
#include "kernels/vector_ops.h"

namespace sluice {
namespace {

// Activations of each expert, in the workspace.
class Inputs {
 public:
  explicit Inputs(const ForwardContext& context) : context_(context) {}

  // Of the next expert, which multiplies x with w first.
  void add(const WeightMatrix& w, const float* x, size_t tokens) {
    const bool is_prepared =
        !prepared_.empty() && x == last_x_ && tokens == prepared_.back().tokens() && w.format == last_format_;
    if (!is_prepared) prepared_.push_back(activations(context_, w, x, tokens, w.cols));
    last_x_ = x;
    last_format_ = w.format;
    of_.push_back(prepared_.size() - 1);
  }

  const Activations& operator[](size_t expert) const { return prepared_[of_[expert]]; }

 private:
  const ForwardContext& context_;
  std::vector<Activations> prepared_;
  std::vector<size_t> of_;  // per expert
  const float* last_x_ = nullptr;
  WeightFormat last_format_{};
};

// gates[i] [tokens, I] = silu(w1 x) * w3 x of experts[i].
void compute_gates(const ForwardContext& context, std::span<const ExpertProducts> experts,
                   std::span<float* const> gates) {
  const Workspace::Scope scope(context.workspace);
  const auto limit = static_cast<float>(context.config.swiglu_limit);
  std::vector<float*> ups;
  std::vector<RowShare> shares;
  Inputs inputs(context);
  for (size_t i = 0; i < experts.size(); ++i) {
    const auto& [weights, x, tokens, y] = experts[i];
    ups.push_back(context.workspace.floats(tokens * weights.w1.rows));
    inputs.add(weights.w1, x, tokens);
    shares.push_back(inputs[i].share_of(weights.w1, weights.w1.rows, context.pool.threads()));
    shares.back().multiply_adds *= 2;
  }
  share_rows(context.pool, shares, [&](size_t i, size_t begin, size_t end) {
    const ExpertMatrices& weights = experts[i].weights;
    const size_t inner = weights.w1.rows;
    inputs[i].multiply_rows(weights.w1, begin, end, gates[i], inner);
    inputs[i].multiply_rows(weights.w3, begin, end, ups[i], inner);
    for (size_t t = 0; t < experts[i].tokens; ++t) {
      float* out = gates[i] + t * inner + begin;
      swiglu(out, ups[i] + t * inner + begin, limit, end - begin, out);
    }
  });
}

}  // namespace

void compute_together(const ForwardContext& context, std::span<const ExpertProducts> experts) {
  const Workspace::Scope scope(context.workspace);
  std::vector<float*> gates;
  for (const ExpertProducts& expert : experts)
    gates.push_back(context.workspace.floats(expert.tokens * expert.weights.w1.rows));
  compute_gates(context, experts, gates);
  std::vector<Activations> activated;
  activated.reserve(experts.size());
  std::vector<ActivationsProduct> products;
  for (size_t i = 0; i < experts.size(); ++i) {
    const WeightMatrix& w2 = experts[i].weights.w2;
    activated.push_back(activations(context, w2, gates[i], experts[i].tokens, w2.cols));
    products.push_back({activated.back(), w2, 0, w2.rows, experts[i].y, w2.rows});
  }
  multiply_together(context.pool, products);
}

}  // namespace sluice

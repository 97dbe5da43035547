#include "model/expert_block.h"

#include <algorithm>
#include <vector>

#include "experts/gathered_request.h"
#include "kernels/activations.h"
#include "kernels/vector_ops.h"
#include "model/router.h"

namespace sluice {
namespace {

// y [tokens, D] = w2(silu(w1 x) * w3 x), clamped; x [tokens, D].
void run_expert(const ForwardContext& context, const ExpertMatrices& expert, const float* x, size_t tokens,
                float* y) {
  const Workspace::Scope scope(context.workspace);
  const size_t hidden = expert.w2.rows;
  const size_t inner = expert.w1.rows;
  const auto limit = static_cast<float>(context.config.swiglu_limit);
  float* gate = context.workspace.floats(tokens * inner);
  float* up = context.workspace.floats(tokens * inner);
  const Activations inputs = activations(context, expert.w1, x, tokens, hidden);
  context.pool.parallel_for(inner, inputs.rows_per_task(expert.w1, context.pool.threads()),
                            [&](size_t begin, size_t end) {
                              inputs.multiply_rows(expert.w1, begin, end, gate, inner);
                              inputs.multiply_rows(expert.w3, begin, end, up, inner);
                              for (size_t t = 0; t < tokens; ++t) {
                                float* out = gate + t * inner + begin;
                                swiglu(out, up + t * inner + begin, limit, end - begin, out);
                              }
                            });
  const Activations activated = activations(context, expert.w2, gate, tokens, inner);
  multiply(context.pool, activated, expert.w2, y);
}

// Which (row, rank) places of a batch use which expert.
class Assignment {
 public:
  Assignment(const Routing& routing, const Batch& batch, size_t k, size_t expert_count)
      : places_of_(expert_count) {
    for (size_t row = 0; row < batch.rows(); ++row) {
      if (batch.has_failed(batch.chunk_of(row))) continue;
      for (size_t place = row * k; place < (row + 1) * k; ++place) add(place, routing.experts[place]);
    }
  }

  // The union of the rows' experts, in the order in which rows name them.
  std::span<const uint32_t> used() const { return used_; }
  // row * k + rank, ascending.
  std::span<const size_t> places_of(uint32_t expert) const { return places_of_[expert]; }

 private:
  void add(size_t place, uint32_t expert) {
    if (places_of_[expert].empty()) used_.push_back(expert);
    places_of_[expert].push_back(place);
  }

  std::vector<std::vector<size_t>> places_of_;
  std::vector<uint32_t> used_;
};

// Runs one expert on some of the rows that chose it: outputs [rows, k, D] at their places.
void run_on_places(const ForwardContext& context, const ExpertMatrices& expert,
                   std::span<const size_t> places, const float* x, float* outputs) {
  const Workspace::Scope scope(context.workspace);
  const size_t hidden = context.config.hidden_size;
  const size_t k = context.config.num_experts_per_tok;
  float* gathered = context.workspace.floats(places.size() * hidden);
  float* computed = context.workspace.floats(places.size() * hidden);
  for (size_t i = 0; i < places.size(); ++i)
    std::copy_n(x + places[i] / k * hidden, hidden, gathered + i * hidden);
  run_expert(context, expert, gathered, places.size(), computed);
  for (size_t i = 0; i < places.size(); ++i)
    std::copy_n(computed + i * hidden, hidden, outputs + places[i] * hidden);
}

// Runs one expert on all rows that chose it. A hash table may name an expert twice for one token, so that
// there can be more places than rows; the workspace is planned for as many as rows at a time.
void run_on_its_rows(const ForwardContext& context, const ExpertMatrices& expert,
                     std::span<const size_t> places, const Batch& batch, const float* x, float* outputs) {
  for (size_t begin = 0; begin < places.size(); begin += batch.rows()) {
    const size_t count = std::min(batch.rows(), places.size() - begin);
    run_on_places(context, expert, places.subspan(begin, count), x, outputs);
  }
}

// Each id once, in the order of their first appearance.
std::vector<uint32_t> distinct(std::span<const uint32_t> ids, size_t id_count) {
  std::vector<bool> is_seen(id_count);
  std::vector<uint32_t> result;
  for (const uint32_t id : ids) {
    if (is_seen[id]) continue;
    is_seen[id] = true;
    result.push_back(id);
  }
  return result;
}

// The residual streams change little from one layer to the next, so that the next routers, shown what this
// one saw, name mostly the experts that they will name in earnest. A sweep's union leaves little to guess:
// there one layer is enough.
void guess_next_layers(const ForwardContext& context, const RoutedExperts& experts, uint32_t layer,
                       const float* x, const Batch& batch) {
  const bool is_sweep = batch.is_sweep();
  for (uint32_t ahead = 1; ahead <= (is_sweep ? 1 : kLayersAhead); ++ahead) {
    const RouterWeights* const router = experts.next_routers[ahead - 1];
    if (router == nullptr || !experts.store.wants_guesses()) continue;
    const PartTimer timer(context, PassPart::kRouting, layer);
    const Workspace::Scope scope(context.workspace);
    const Routing routing = route(context, *router, x, batch);
    const std::span ids(routing.experts, batch.rows() * context.config.num_experts_per_tok);
    experts.store.prefetch(layer + ahead, distinct(ids, context.config.n_routed_experts), Foresight::kLikely,
                           is_sweep);
  }
}

// Puts a script's experts, where it has some, in the place of the router's.
void follow_script(const ForwardContext& context, uint32_t layer, const Batch& batch,
                   const Routing& routing) {
  const size_t k = context.config.num_experts_per_tok;
  for (size_t row = 0; row < batch.rows(); ++row) {
    const auto scripted = context.script->experts(layer, batch.position(row));
    std::ranges::copy(scripted, routing.experts + row * k);
  }
}

// What a batch was routed by, when somebody looks; hash layers have nothing to show.
class ObservedScores {
 public:
  ObservedScores(const Batch& batch, size_t experts)
      : experts_(experts), plain_(batch.is_observed() ? batch.rows() * experts : 0), biased_(plain_.size()) {}

  RouterScores destination() { return {plain_.data(), biased_.data()}; }
  bool empty() const { return plain_.empty(); }
  std::span<const float> plain(size_t row) const {
    return std::span(plain_).subspan(row * experts_, experts_);
  }
  std::span<const float> biased(size_t row) const {
    return std::span(biased_).subspan(row * experts_, experts_);
  }

 private:
  size_t experts_;
  std::vector<float> plain_;
  std::vector<float> biased_;
};

// Routes the batch, and shows observers how.
Routing route_observed(const ForwardContext& context, const RouterWeights& router, uint32_t layer,
                       const float* x, const Batch& batch) {
  const PartTimer timer(context, PassPart::kRouting, layer);
  const size_t k = context.config.num_experts_per_tok;
  ObservedScores scores(batch, context.config.n_routed_experts);
  const RouterScores shown = scores.destination();
  const Routing routing = route(context, router, x, batch, scores.empty() ? nullptr : &shown);
  if (context.script != nullptr) follow_script(context, layer, batch, routing);
  for (size_t row = 0; row < batch.rows(); ++row) {
    ForwardObserver* const observer = batch.observer(row);
    if (observer == nullptr) continue;
    const uint64_t position = batch.position(row);
    const std::span experts(routing.experts + row * k, k);
    const std::span weights(routing.weights + row * k, k);
    if (!router.table) {
      observer->on_scores(layer, position, scores.biased(row));
      if (observer->revise_experts(layer, position, scores.biased(row), experts))
        weigh_experts(context.config, scores.plain(row), experts, weights);
    }
    observer->on_experts(layer, position, experts, weights);
  }
  return routing;
}

// y = sum over ranks, in their order, of weight * output, plus y (the shared expert's output); of rows that
// have outputs.
void combine(const ForwardContext& context, const Routing& routing, const float* outputs, const Batch& batch,
             float* y) {
  const size_t hidden = context.config.hidden_size;
  const size_t k = context.config.num_experts_per_tok;
  context.pool.parallel_for(batch.rows(), 1, [&](size_t begin, size_t end) {
    std::vector<float> sum(hidden);
    for (size_t row = begin; row < end; ++row) {
      if (batch.has_failed(batch.chunk_of(row))) continue;
      std::fill(sum.begin(), sum.end(), 0.0F);
      for (size_t place = row * k; place < (row + 1) * k; ++place) {
        add_scaled(routing.weights[place], outputs + place * hidden, hidden, sum.data());
      }
      add_scaled(1.0F, sum.data(), hidden, y + row * hidden);
    }
  });
}

// Hands out the next expert that has arrived.
Result<ExpertArrival> next_arrival(const ForwardContext& context, uint32_t layer, ExpertRequest& request) {
  const PartTimer timer(context, PassPart::kWaiting, layer);
  return request.next();
}

// Computes every expert of a request on its rows, in order of arrival: outputs [rows, k, D]. Ends early when
// every chunk has failed, or was cancelled meanwhile: a sweep's experts may take long to arrive.
Status run_experts(const ForwardContext& context, const RoutedExperts& experts, uint32_t layer,
                   ExpertRequest request, const Assignment& assignment, Batch& batch, const float* x,
                   float* outputs) {
  const size_t k = context.config.num_experts_per_tok;
  while (request.remaining() > 0) {
    batch.fail_cancelled();
    if (batch.all_failed()) break;
    SLUICE_ASSIGN(const ExpertArrival arrival, next_arrival(context, layer, request));
    const uint32_t expert = assignment.used()[arrival.index];
    const std::span<const size_t> places = assignment.places_of(expert);
    if (!arrival.lease) {
      for (const size_t place : places) batch.fail(batch.chunk_of(place / k), arrival.lease.error());
      continue;
    }
    const PartTimer timer(context, PassPart::kExpert, layer);
    const uint32_t index = experts.storage.catalog().index({layer, expert});
    run_on_its_rows(context, experts.storage.view(index, *arrival.lease), places, batch, x, outputs);
  }
  return {};
}

}  // namespace

Status expert_block(const ForwardContext& context, const RoutedExperts& experts, const LayerWeights& weights,
                    uint32_t layer, const float* x, Batch& batch, float* y) {
  const Workspace::Scope scope(context.workspace);
  const size_t k = context.config.num_experts_per_tok;
  const Routing routing = route_observed(context, weights.router, layer, x, batch);
  const Assignment assignment(routing, batch, k, context.config.n_routed_experts);
  if (batch.is_sweep() && experts.swept != nullptr) experts.swept->record(layer, routing, batch.rows());
  SLUICE_ASSIGN(ExpertRequest request, batch.is_sweep() ? experts.store.sweep(layer, assignment.used())
                                                        : experts.store.request(layer, assignment.used()));
  guess_next_layers(context, experts, layer, x, batch);
  const bool can_gather = !batch.is_sweep() && experts.store.capacity_slots() >= request.remaining();
  if (context.gathers_experts && can_gather) request = gathered(std::move(request));
  {
    const PartTimer timer(context, PassPart::kSharedExpert, layer);  // while the others are read
    run_expert(context, weights.shared_expert, x, batch.rows(), y);
  }
  float* outputs = context.workspace.floats(batch.rows() * k * context.config.hidden_size);
  SLUICE_TRY(run_experts(context, experts, layer, std::move(request), assignment, batch, x, outputs));
  const PartTimer timer(context, PassPart::kMixing, layer);
  combine(context, routing, outputs, batch, y);
  return {};
}

}  // namespace sluice

// What another implementation computed for a checkpoint: the file that `verify` compares with.
//
// A safetensors file. Its tensors belong to cases by a prefix ("short.", or none), each with input_ids and
// any of:
//   logits [n, V] at positions [n] (all positions without it); layerN.experts [tokens, k];
//   at probe_positions [p]: layerN.weights [p, k], layerN.attention [p, D], layerN.streams [p, hc, D],
//     layerN.index_topk [p, m] (-1: nothing visible);
//   mtp_logits [q, V] at mtp_positions [q]: of token i + 2 from the streams of token i and token i + 1;
//   greedy_ids [g] and greedy_logits [g, V] after the first greedy_prompt_len [1] ids.
// Beside it there may be greedy.json: [{"prompt_ids", "output_ids", "margin"}], what greedy decoding yields.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "checkpoint/config.h"
#include "sluice/result.h"

namespace sluice {

// Rows of floats or of integers, in row-major order.
template <class T>
struct Table {
  size_t rows = 0;
  size_t width = 0;
  std::vector<T> values;  // [rows, width]
  std::span<const T> row(size_t index) const { return std::span(values).subspan(index * width, width); }
};

// A layer's values at the probe positions; those that the file has not are empty.
struct ReferenceLayer {
  Table<int64_t> experts;     // [tokens, k]
  Table<float> weights;       // [probes, k], in the order of `experts`
  Table<float> attention;     // [probes, D]
  Table<float> streams;       // [probes, hc * D]
  Table<int64_t> index_topk;  // [probes, m]
};

struct ReferenceCase {
  std::string name;  // the prefix without its dot; "all" without a prefix
  std::vector<int32_t> ids;
  std::vector<size_t> positions;  // [logits.rows]
  Table<float> logits;
  std::vector<size_t> probe_positions;
  std::vector<ReferenceLayer> layers;  // [num_hidden_layers]
  std::vector<size_t> mtp_positions;
  Table<float> mtp_logits;
  size_t greedy_prompt_tokens = 0;
  std::vector<int32_t> greedy_ids;
  Table<float> greedy_logits;
};

struct GreedyCase {
  std::vector<int32_t> prompt_ids;
  std::vector<int32_t> output_ids;
  std::vector<double> margins;  // one per output id: how far the best logit led
};

// Everything is checked against the configuration: shapes, positions, ids. kCorrupt, naming file and tensor
// or field.
Result<std::vector<ReferenceCase>> parse_reference(std::span<const std::byte> file_bytes,
                                                   const std::string& file_name, const ModelConfig& config);
Result<std::vector<ReferenceCase>> load_reference(const std::filesystem::path& path,
                                                  const ModelConfig& config);

Result<std::vector<GreedyCase>> parse_greedy(std::string_view json, const std::string& file_name,
                                             const ModelConfig& config);

}  // namespace sluice

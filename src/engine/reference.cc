#include "engine/reference.h"

#include <algorithm>
#include <cstring>
#include <limits>
#include <nlohmann/json.hpp>

#include "base/fail.h"
#include "base/file.h"
#include "checkpoint/safetensors.h"

namespace sluice {
namespace {

constexpr uint64_t kReferenceLimitBytes = uint64_t{4} << 30;
constexpr std::string_view kIds = "input_ids";

// Reads tensors out of a file's bytes, each in the shape that is asked for.
class ReferenceReader {
 public:
  ReferenceReader(std::span<const std::byte> bytes, std::string file_name,
                  const std::vector<TensorInfo>& tensors)
      : bytes_(bytes), file_name_(std::move(file_name)) {
    for (const TensorInfo& tensor : tensors) tensors_.emplace(tensor.name, &tensor);
  }

  const std::map<std::string, const TensorInfo*>& tensors() const { return tensors_; }
  bool has(const std::string& name) const { return tensors_.contains(name); }

  tl::unexpected<Error> wrong(const std::string& name, const std::string& expected) const {
    const auto found = tensors_.find(name);
    return fail(ErrorCode::kCorrupt, "{}: {}: {} found, {} expected", file_name_, name,
                found == tensors_.end() ? "nothing" : describe(found->second->dtype, found->second->shape),
                expected);
  }

  // A tensor of floats [rows, ...] whose other dimensions multiply to `width`.
  Result<Table<float>> floats(const std::string& name, size_t rows, size_t width) const {
    const TensorInfo* tensor = find(name, rows, width);
    if (tensor == nullptr || tensor->dtype != DType::kF32)
      return wrong(name, fmt::format("F32 [{}, {}]", rows, width));
    Table<float> table{rows, width, std::vector<float>(rows * width)};
    std::copy_n(bytes_.data() + tensor->extent.offset_bytes, tensor->extent.size_bytes,
                reinterpret_cast<std::byte*>(table.values.data()));
    return table;
  }

  // A tensor of signed integers, every value in [low, high]. `rows` empty: any number.
  Result<Table<int64_t>> integers(const std::string& name, std::optional<size_t> rows,
                                  std::optional<size_t> width, int64_t low, int64_t high) const {
    const auto place = tensors_.find(name);
    const size_t dimensions = width.has_value() && *width == 1 ? 1 : 2;
    if (place == tensors_.end() || place->second->shape.size() != dimensions) {
      return wrong(name, fmt::format("integers of {} dimension{}", dimensions, dimensions == 1 ? "" : "s"));
    }
    const TensorInfo& tensor = *place->second;
    const size_t found_width = dimensions == 1 ? 1 : tensor.shape[1];
    if ((rows && *rows != tensor.shape[0]) || (width && *width != found_width)) {
      return wrong(name, fmt::format("{} rows of {}", rows ? fmt::to_string(*rows) : "any number of",
                                     width ? fmt::to_string(*width) : "any width"));
    }
    Table<int64_t> table{tensor.shape[0], found_width, {}};
    table.values.reserve(tensor.elements());
    for (size_t i = 0; i < tensor.elements(); ++i) {
      const auto value = integer(tensor, i);
      if (!value || *value < low || *value > high)
        return wrong(name, fmt::format("integers from {} to {}", low, high));
      table.values.push_back(*value);
    }
    return table;
  }

  Result<std::vector<int32_t>> token_ids(const std::string& name, const ModelConfig& config) const {
    SLUICE_ASSIGN(const auto table, integers(name, std::nullopt, 1, 0, int64_t{config.vocab_size} - 1));
    return std::vector<int32_t>(table.values.begin(), table.values.end());
  }

  Result<std::vector<size_t>> positions(const std::string& name, size_t below) const {
    SLUICE_ASSIGN(const auto table, integers(name, std::nullopt, 1, 0, static_cast<int64_t>(below) - 1));
    return std::vector<size_t>(table.values.begin(), table.values.end());
  }

 private:
  const TensorInfo* find(const std::string& name, size_t rows, size_t width) const {
    const auto place = tensors_.find(name);
    if (place == tensors_.end()) return nullptr;
    const TensorInfo& tensor = *place->second;
    const bool fits = !tensor.shape.empty() && tensor.shape[0] == rows && tensor.elements() == rows * width;
    return fits ? &tensor : nullptr;
  }

  std::optional<int64_t> integer(const TensorInfo& tensor, size_t index) const {
    const auto read = [&]<class T>(T value) {
      std::memcpy(&value, bytes_.data() + tensor.extent.offset_bytes + index * sizeof(T), sizeof(T));
      return int64_t{value};
    };
    switch (tensor.dtype) {
      case DType::kI64:
        return read(int64_t{});
      case DType::kI32:
        return read(int32_t{});
      case DType::kI16:
        return read(int16_t{});
      case DType::kI8:
        return read(int8_t{});
      default:
        return std::nullopt;
    }
  }

  std::span<const std::byte> bytes_;
  std::string file_name_;
  std::map<std::string, const TensorInfo*> tensors_;
};

// Reads one case: the tensors whose names begin with `prefix`.
class CaseReader {
 public:
  CaseReader(const ReferenceReader& reader, std::string prefix, const ModelConfig& config)
      : reader_(reader), prefix_(std::move(prefix)), config_(config) {}

  Result<ReferenceCase> read() {
    case_.name = prefix_.empty() ? "all" : prefix_.substr(0, prefix_.size() - 1);
    SLUICE_ASSIGN(case_.ids, reader_.token_ids(prefix_ + std::string(kIds), config_));
    if (case_.ids.empty()) return reader_.wrong(prefix_ + std::string(kIds), "at least one id");
    SLUICE_TRY(read_logits());
    SLUICE_TRY(read_layers());
    SLUICE_TRY(read_mtp());
    SLUICE_TRY(read_greedy());
    return std::move(case_);
  }

 private:
  Status read_logits() {
    if (!reader_.has(prefix_ + "logits")) return {};
    if (reader_.has(prefix_ + "positions")) {
      SLUICE_ASSIGN(case_.positions, reader_.positions(prefix_ + "positions", case_.ids.size()));
    } else {
      for (size_t position = 0; position < case_.ids.size(); ++position) case_.positions.push_back(position);
    }
    SLUICE_ASSIGN(case_.logits,
                  reader_.floats(prefix_ + "logits", case_.positions.size(), config_.vocab_size));
    return {};
  }

  Status read_layers() {
    if (reader_.has(prefix_ + "probe_positions")) {
      SLUICE_ASSIGN(case_.probe_positions, reader_.positions(prefix_ + "probe_positions", case_.ids.size()));
    }
    const size_t probes = case_.probe_positions.size();
    const size_t hidden = config_.hidden_size;
    case_.layers.resize(config_.num_hidden_layers);
    for (uint32_t index = 0; index < config_.num_hidden_layers; ++index) {
      ReferenceLayer& layer = case_.layers[index];
      const std::string name = fmt::format("{}layer{}.", prefix_, index);
      if (reader_.has(name + "experts")) {
        SLUICE_ASSIGN(layer.experts,
                      reader_.integers(name + "experts", case_.ids.size(), config_.num_experts_per_tok, 0,
                                       int64_t{config_.n_routed_experts} - 1));
      }
      SLUICE_TRY(read_floats(name + "weights", probes, config_.num_experts_per_tok, layer.weights));
      SLUICE_TRY(read_floats(name + "attention", probes, hidden, layer.attention));
      SLUICE_TRY(read_floats(name + "streams", probes, config_.hc_mult * hidden, layer.streams));
      if (reader_.has(name + "index_topk")) {
        SLUICE_ASSIGN(layer.index_topk, reader_.integers(name + "index_topk", probes, std::nullopt, -1,
                                                         std::numeric_limits<int32_t>::max()));
      }
    }
    return {};
  }

  Status read_mtp() {
    if (!reader_.has(prefix_ + "mtp_logits")) return {};
    // The last position has no next token to predict from.
    SLUICE_ASSIGN(case_.mtp_positions, reader_.positions(prefix_ + "mtp_positions", case_.ids.size() - 1));
    SLUICE_ASSIGN(case_.mtp_logits,
                  reader_.floats(prefix_ + "mtp_logits", case_.mtp_positions.size(), config_.vocab_size));
    return {};
  }

  Status read_greedy() {
    if (!reader_.has(prefix_ + "greedy_ids")) return {};
    SLUICE_ASSIGN(case_.greedy_ids, reader_.token_ids(prefix_ + "greedy_ids", config_));
    SLUICE_ASSIGN(const auto length, reader_.integers(prefix_ + "greedy_prompt_len", 1, 1, 1,
                                                      static_cast<int64_t>(case_.ids.size())));
    case_.greedy_prompt_tokens = static_cast<size_t>(length.values[0]);
    SLUICE_ASSIGN(case_.greedy_logits,
                  reader_.floats(prefix_ + "greedy_logits", case_.greedy_ids.size(), config_.vocab_size));
    return {};
  }

  Status read_floats(const std::string& name, size_t rows, size_t width, Table<float>& table) const {
    if (!reader_.has(name)) return {};
    SLUICE_ASSIGN(table, reader_.floats(name, rows, width));
    return {};
  }

  const ReferenceReader& reader_;
  std::string prefix_;
  const ModelConfig& config_;
  ReferenceCase case_;
};

// The numbers of a field that is a JSON array, each an integer in [0, below) or any number when below is 0.
// Works on the parsed value itself: copies of what is nested deep would need a stack as deep.
template <class T>
bool read_array(const nlohmann::json& run, const char* name, uint64_t below, std::vector<T>& values) {
  const auto array = run.is_object() ? run.find(name) : run.end();
  if (array == run.end() || !array->is_array()) return false;
  for (const auto& item : *array) {
    if (below == 0 ? !item.is_number() : !item.is_number_unsigned()) return false;
    if (below != 0 && item.template get<uint64_t>() >= below) return false;
    values.push_back(item.template get<T>());
  }
  return true;
}

}  // namespace

Result<std::vector<ReferenceCase>> parse_reference(std::span<const std::byte> file_bytes,
                                                   const std::string& file_name, const ModelConfig& config) {
  if (file_bytes.size() < kSafetensorsPrefixBytes) {
    return fail(ErrorCode::kCorrupt, "{}: {} bytes are no safetensors file", file_name, file_bytes.size());
  }
  const ShardFile file{file_name, 0, file_bytes.size()};
  SLUICE_ASSIGN(const uint64_t header_bytes,
                parse_safetensors_prefix(file_bytes.first<kSafetensorsPrefixBytes>(), file));
  const auto* header = reinterpret_cast<const char*>(file_bytes.data() + kSafetensorsPrefixBytes);
  SLUICE_ASSIGN(const auto tensors, parse_safetensors_header({header, header_bytes}, file));
  const ReferenceReader reader(file_bytes, file_name, tensors);
  std::vector<ReferenceCase> cases;
  for (const auto& [name, tensor] : reader.tensors()) {
    const bool is_ids = name == kIds || name.ends_with("." + std::string(kIds));
    if (!is_ids) continue;
    SLUICE_ASSIGN(auto one, CaseReader(reader, name.substr(0, name.size() - kIds.size()), config).read());
    cases.push_back(std::move(one));
  }
  if (cases.empty())
    return fail(ErrorCode::kCorrupt, "{}: no tensor named input_ids: not a reference file", file_name);
  std::sort(cases.begin(), cases.end(),
            [](const auto& a, const auto& b) { return a.ids.size() < b.ids.size(); });
  return cases;
}

Result<std::vector<ReferenceCase>> load_reference(const std::filesystem::path& path,
                                                  const ModelConfig& config) {
  SLUICE_ASSIGN(const std::string bytes, read_text_file(path, kReferenceLimitBytes));
  return parse_reference(std::as_bytes(std::span(bytes)), path.string(), config);
}

Result<std::vector<GreedyCase>> parse_greedy(std::string_view json, const std::string& file_name,
                                             const ModelConfig& config) {
  const auto parsed = nlohmann::json::parse(json, nullptr, /*allow_exceptions=*/false);
  if (!parsed.is_array())
    return fail(ErrorCode::kCorrupt, "{}: a JSON array of greedy runs is expected", file_name);
  std::vector<GreedyCase> cases;
  for (const auto& item : parsed) {
    GreedyCase one;
    const bool reads = read_array(item, "prompt_ids", config.vocab_size, one.prompt_ids) &&
                       read_array(item, "output_ids", config.vocab_size, one.output_ids) &&
                       read_array(item, "margin", 0, one.margins);
    if (!reads || one.prompt_ids.empty() || one.margins.size() != one.output_ids.size()) {
      return fail(ErrorCode::kCorrupt,
                  "{}: run {}: prompt_ids (not empty), output_ids and margin are expected, ids below {}, a "
                  "margin for "
                  "every output id",
                  file_name, cases.size(), config.vocab_size);
    }
    cases.push_back(std::move(one));
  }
  return cases;
}

}  // namespace sluice

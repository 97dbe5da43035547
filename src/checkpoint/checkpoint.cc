#include "checkpoint/checkpoint.h"

#include <algorithm>
#include <iterator>
#include <string>
#include <utility>

#include "base/fail.h"
#include "base/file.h"
#include "base/log.h"
#include "checkpoint/closest_name.h"
#include "checkpoint/safetensors.h"
#include "checkpoint/shard_index.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr uint64_t kConfigLimitBytes = 16'000'000;
constexpr const char* kConfigName = "config.json";
constexpr const char* kTokenizerName = "tokenizer.json";

bool name_less(const TensorInfo& a, const TensorInfo& b) {
  return a.name < b.name;
}

const TensorInfo* find_sorted(const std::vector<TensorInfo>& tensors, std::string_view name) {
  const auto at =
      std::lower_bound(tensors.begin(), tensors.end(), name,
                       [](const TensorInfo& tensor, std::string_view key) { return tensor.name < key; });
  return at != tensors.end() && at->name == name ? &*at : nullptr;
}

Status check_folder(const fs::path& folder) {
  std::error_code ignored;  // what cannot be asked about counts as absent
  const fs::file_status status = fs::status(folder, ignored);
  if (!fs::exists(status)) return fail(ErrorCode::kNotFound, "{}: no such folder", folder.string());
  if (!fs::is_directory(status)) {
    return fail(ErrorCode::kInvalidArgument, "{}: not a folder; name the folder that holds {}",
                folder.string(), kConfigName);
  }
  if (!fs::exists(folder / kConfigName, ignored)) {
    return fail(ErrorCode::kNotFound, "{}: no {}; a model's folder holds {}, {} and *.safetensors",
                folder.string(), kConfigName, kConfigName, kTokenizerName);
  }
  return {};
}

// A device or a pipe under a shard's name would block or never end: only regular files (or links to them) are
// opened.
Status check_shard(const fs::path& shard) {
  std::error_code ignored;
  const fs::file_status status = fs::status(shard, ignored);
  if (!fs::exists(status)) {
    return fail(ErrorCode::kNotFound, "{}: this shard vanished or was not downloaded", shard.string());
  }
  if (!fs::is_regular_file(status))
    return fail(ErrorCode::kInvalidArgument, "{}: not a file", shard.string());
  return {};
}

Status refuse_duplicates(const std::vector<TensorInfo>& sorted, const ShardIndex& index) {
  const auto twin =
      std::adjacent_find(sorted.begin(), sorted.end(),
                         [](const TensorInfo& a, const TensorInfo& b) { return a.name == b.name; });
  if (twin == sorted.end()) return {};
  return fail(ErrorCode::kCorrupt, "tensor {} stands in two shards, {} and {}", twin->name,
              index.files[twin->extent.file], index.files[std::next(twin)->extent.file]);
}

Status check_weight_map(const std::vector<TensorInfo>& sorted, const ShardIndex& index) {
  for (const auto& [name, file] : index.weight_map) {
    const TensorInfo* tensor = find_sorted(sorted, name);
    if (tensor == nullptr) {
      return fail(ErrorCode::kCorrupt, "{}: tensor {} is not in it, though the index says so",
                  index.files[file], name);
    }
    if (tensor->extent.file != file) {
      return fail(ErrorCode::kCorrupt, "tensor {} is in {}; the index says {}", name,
                  index.files[tensor->extent.file], index.files[file]);
    }
  }
  return {};
}

// Every tensor of the index is among `sorted`, so what is more is not in the index.
void drop_unlisted(std::vector<TensorInfo>& sorted, const ShardIndex& index) {
  if (index.weight_map.empty() || sorted.size() == index.weight_map.size()) return;
  const auto is_unlisted = [&index](const TensorInfo& tensor) {
    const auto at =
        std::lower_bound(index.weight_map.begin(), index.weight_map.end(), tensor.name,
                         [](const auto& entry, const std::string& key) { return entry.first < key; });
    return at == index.weight_map.end() || at->first != tensor.name;
  };
  const auto first = std::find_if(sorted.begin(), sorted.end(), is_unlisted);
  log_warn("{} tensors are not in the index and are ignored; the first is {} in {}",
           sorted.size() - index.weight_map.size(), first->name, index.files[first->extent.file]);
  std::erase_if(sorted, is_unlisted);
}

std::string describe_expected(std::initializer_list<DType> types, const std::vector<uint64_t>& shape) {
  std::string text;
  for (const DType type : types)
    fmt::format_to(std::back_inserter(text), "{}{}", text.empty() ? "" : " or ", dtype_name(type));
  return fmt::format("{} {}", text, describe_shape(shape));
}

}  // namespace

Result<Checkpoint> Checkpoint::open(const fs::path& folder) {
  SLUICE_TRY(check_folder(folder));
  Checkpoint checkpoint;
  checkpoint.folder_ = folder;
  SLUICE_ASSIGN(const std::string config_text, read_text_file(folder / kConfigName, kConfigLimitBytes));
  SLUICE_ASSIGN(checkpoint.config_, parse_config(config_text, (folder / kConfigName).string()));
  SLUICE_TRY(checkpoint.read_tensors());
  return checkpoint;
}

Status Checkpoint::read_tensors() {
  SLUICE_ASSIGN(const ShardIndex index, find_shards(folder_));
  for (const std::string& name : index.files) {
    const auto file = static_cast<uint32_t>(files_.size());
    files_.push_back(folder_ / name);
    SLUICE_TRY(check_shard(files_.back()));
    SLUICE_ASSIGN(std::vector<TensorInfo> tensors, read_safetensors(files_.back(), file));
    std::move(tensors.begin(), tensors.end(), std::back_inserter(tensors_));
  }
  std::stable_sort(tensors_.begin(), tensors_.end(), name_less);
  SLUICE_TRY(refuse_duplicates(tensors_, index));
  SLUICE_TRY(check_weight_map(tensors_, index));
  drop_unlisted(tensors_, index);
  return {};
}

uint64_t Checkpoint::tensor_bytes() const {
  uint64_t bytes = 0;
  for (const TensorInfo& tensor : tensors_) bytes += tensor.extent.size_bytes;
  return bytes;
}

const TensorInfo* Checkpoint::find(std::string_view name) const {
  return find_sorted(tensors_, name);
}

Result<const TensorInfo*> Checkpoint::require(std::string_view name, std::initializer_list<DType> types,
                                              const std::vector<uint64_t>& shape) const {
  const TensorInfo* tensor = find(name);
  if (tensor == nullptr) {
    const auto close = std::find_if(tensors_.begin(), tensors_.end(), [name](const TensorInfo& other) {
      return is_close_name(name, other.name);
    });
    return fail(ErrorCode::kNotFound, "{}: no tensor {}; {} was expected{}", folder_.string(), name,
                describe_expected(types, shape),
                close == tensors_.end() ? "" : fmt::format("; there is one named {}", close->name));
  }
  if (std::find(types.begin(), types.end(), tensor->dtype) == types.end() || tensor->shape != shape) {
    return fail(ErrorCode::kCorrupt, "{}: tensor {} is {}; {} was expected",
                files_[tensor->extent.file].filename().string(), name, describe(tensor->dtype, tensor->shape),
                describe_expected(types, shape));
  }
  return tensor;
}

std::optional<fs::path> Checkpoint::tokenizer_path() const {
  fs::path path = folder_ / kTokenizerName;
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return std::nullopt;
  return path;
}

}  // namespace sluice

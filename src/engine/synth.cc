#include "engine/synth.h"

#include <algorithm>
#include <fstream>

#include "base/fail.h"
#include "base/units.h"
#include "checkpoint/write_config.h"
#include "engine/synth_model.h"
#include "engine/synth_tokenizer.h"

namespace sluice {
namespace {

namespace fs = std::filesystem;

constexpr const char* kGenerationConfig =
    "{\n \"bos_token_id\": 0,\n \"eos_token_id\": 1,\n \"do_sample\": true,\n \"temperature\": 1.0,\n"
    " \"top_p\": 1.0\n}\n";

Status write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
  file.close();
  if (file) return {};
  return fail(ErrorCode::kIo, "{}: could not be written", path.string());
}

Status check_empty(const fs::path& folder) {
  std::error_code error;
  if (!fs::exists(folder, error)) return {};
  if (!fs::is_directory(folder, error)) {
    return fail(ErrorCode::kInvalidArgument, "{} is a file; name a folder that is empty or not there yet",
                folder.string());
  }
  if (fs::is_empty(folder, error)) return {};
  return fail(ErrorCode::kInvalidArgument, "{} is not empty; name a folder that is empty or not there yet",
              folder.string());
}

Status check_room(const fs::path& folder, uint64_t needed_bytes) {
  std::error_code error;
  const fs::space_info space = fs::space(folder, error);
  if (error || space.available >= needed_bytes) return {};  // unknown: writing will tell
  return fail(ErrorCode::kOutOfBudget, "{}: {} are needed and the disk has {} left; ask for fewer --layers",
              folder.string(), format_bytes(needed_bytes), format_bytes(space.available));
}

// Takes away what was written, unless it is told that all is well.
class Undo {
 public:
  Undo(fs::path folder, bool created) : folder_(std::move(folder)), created_(created) {}
  ~Undo() {
    std::error_code ignored;
    for (const fs::path& path : files_) fs::remove(path, ignored);
    if (created_) fs::remove(folder_, ignored);
  }
  Undo(const Undo&) = delete;
  Undo& operator=(const Undo&) = delete;

  void add(fs::path path) { files_.push_back(std::move(path)); }
  void keep() {
    files_.clear();
    created_ = false;
  }

 private:
  fs::path folder_;
  bool created_;
  std::vector<fs::path> files_;
};

}  // namespace

Result<SynthPlan> SynthPlan::make(const SynthOptions& options) {
  SynthPlan plan;
  SLUICE_ASSIGN(plan.config_, synth_config(options));
  plan.tensors_ = synth_tensors(plan.config_, options);
  std::vector<TensorInfo> infos;
  for (const SynthTensor& tensor : plan.tensors_) infos.push_back(tensor.info);
  SLUICE_ASSIGN(plan.shards_, lay_out_shards(std::move(infos), options.shard_bytes));
  std::ranges::sort(plan.tensors_, {}, [](const SynthTensor& tensor) { return tensor.info.name; });
  plan.texts_ = {{"config.json", config_json(plan.config_, "fp4")},
                 {"generation_config.json", kGenerationConfig},
                 {"tokenizer.json", synth_tokenizer_json(options.vocab)},
                 {"model.safetensors.index.json", shard_index_json(plan.shards_)}};
  return plan;
}

uint64_t SynthPlan::total_bytes() const {
  uint64_t total = 0;
  for (const ShardLayout& shard : shards_) total += shard.size_bytes;
  for (const auto& [name, text] : texts_) total += text.size();
  return total;
}

Status SynthPlan::write(const fs::path& folder, size_t threads,
                        const std::function<void(uint64_t, uint64_t)>& on_progress,
                        const std::stop_token& cancel) const {
  SLUICE_TRY(check_empty(folder));
  std::error_code error;
  const bool created = fs::create_directories(folder, error);
  if (error) return fail(ErrorCode::kIo, "{}: {}", folder.string(), error.message());
  Undo undo(folder, created);
  SLUICE_TRY(check_room(folder, total_bytes()));
  for (const ShardLayout& shard : shards_) undo.add(folder / shard.name);
  for (const auto& [name, text] : texts_) undo.add(folder / name);
  SLUICE_TRY(write_files(folder, threads, on_progress, cancel));
  undo.keep();
  return {};
}

Status SynthPlan::write_files(const fs::path& folder, size_t threads,
                              const std::function<void(uint64_t, uint64_t)>& on_progress,
                              const std::stop_token& cancel) const {
  ThreadPool pool(threads);
  uint64_t done_bytes = 0;
  ShardWriting writing;
  writing.fill = [&](const TensorInfo& info, uint64_t offset_bytes, std::span<std::byte> into) {
    const auto found = std::ranges::lower_bound(tensors_, info.name, {},
                                                [](const SynthTensor& tensor) { return tensor.info.name; });
    make_bytes(found->make, offset_bytes, into);
  };
  writing.on_written = [&](uint64_t bytes) {
    done_bytes += bytes;
    if (on_progress) on_progress(done_bytes, total_bytes());
  };
  writing.cancel = cancel;
  for (const ShardLayout& shard : shards_) SLUICE_TRY(write_shard(folder, shard, writing, pool));
  // Last of all what makes it a checkpoint.
  for (const auto& [name, text] : texts_) SLUICE_TRY(write_text(folder / name, text));
  return {};
}

}  // namespace sluice

// Runs a fuzz target over files instead of under libFuzzer: `fuzz_x FOLDER...` feeds every file under each
// folder, in the order of their names, to LLVMFuzzerTestOneInput. A finding is a crash; the last name printed
// is its cause. A folder that is missing or holds no file is a failure, so that a lost corpus cannot pass for
// a clean one.

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <optional>
#include <system_error>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace {

namespace fs = std::filesystem;

// Every regular file under `folder`, sorted; nothing when the folder cannot be read.
std::optional<std::vector<fs::path>> files_under(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code error;
  fs::recursive_directory_iterator entry(folder, error);
  while (!error && entry != fs::recursive_directory_iterator()) {
    if (entry->is_regular_file(error)) files.push_back(entry->path());
    if (!error) entry.increment(error);
  }
  if (error) {
    std::fprintf(stderr, "%s: %s\n", folder.c_str(), error.message().c_str());
    return std::nullopt;
  }
  std::sort(files.begin(), files.end());
  return files;
}

bool replay_file(const fs::path& path) {
  std::printf("%s\n", path.c_str());
  std::fflush(stdout);  // the name must be out before the crash that it explains
  std::ifstream stream(path, std::ios::binary);
  const std::vector<char> bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  if (!stream.is_open() || stream.bad()) {
    std::fprintf(stderr, "%s: cannot be read\n", path.c_str());
    return false;
  }
  LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size());
  return true;
}

bool replay_folder(const fs::path& folder) {
  const auto files = files_under(folder);
  if (!files) return false;
  if (files->empty()) std::fprintf(stderr, "%s: no file to replay\n", folder.c_str());
  return !files->empty() && std::all_of(files->begin(), files->end(), replay_file);
}

}  // namespace

int main(int argc, char** argv) {
  if (argc < 2) {
    std::fprintf(stderr, "usage: %s FOLDER...\n", argv[0]);
    return 2;
  }
  return std::all_of(argv + 1, argv + argc, replay_folder) ? 0 : 1;
}

#include "cli/fio.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <nlohmann/json.hpp>
#include <optional>

#include "base/fail.h"
#include "base/file.h"

extern char** environ;

namespace sluice {
namespace {

using nlohmann::json;

// Lets malloc ask for huge pages, as Sluice does for its slots: with small ones a large read becomes several
// times as many transfers.
constexpr const char* kHugePages = "GLIBC_TUNABLES=glibc.malloc.hugetlb=1";
constexpr size_t kSaidLimitBytes = 600;  // of an error

// What posix_spawn shall do in the child before fio begins.
class SpawnSetUp {
 public:
  // Both streams go to `output`. Signals that Sluice keeps for itself reach fio.
  explicit SpawnSetUp(int output) {
    ::posix_spawn_file_actions_init(&actions_);
    ::posix_spawn_file_actions_addopen(&actions_, 0, "/dev/null", O_RDONLY, 0);
    ::posix_spawn_file_actions_adddup2(&actions_, output, 1);
    ::posix_spawn_file_actions_adddup2(&actions_, output, 2);
    ::posix_spawnattr_init(&attributes_);
    sigset_t none;
    ::sigemptyset(&none);
    ::posix_spawnattr_setsigmask(&attributes_, &none);
    ::posix_spawnattr_setflags(&attributes_, POSIX_SPAWN_SETSIGMASK);
  }
  SpawnSetUp(const SpawnSetUp&) = delete;
  SpawnSetUp& operator=(const SpawnSetUp&) = delete;
  ~SpawnSetUp() {
    ::posix_spawn_file_actions_destroy(&actions_);
    ::posix_spawnattr_destroy(&attributes_);
  }

  const posix_spawn_file_actions_t* actions() const { return &actions_; }
  const posix_spawnattr_t* attributes() const { return &attributes_; }

 private:
  posix_spawn_file_actions_t actions_{};
  posix_spawnattr_t attributes_{};
};

std::vector<char*> pointers(std::vector<std::string>& texts) {
  std::vector<char*> result;
  for (std::string& text : texts) result.push_back(text.data());
  result.push_back(nullptr);
  return result;
}

std::vector<std::string> environment_for_fio() {
  std::vector<std::string> variables{kHugePages};
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!std::string_view(*variable).starts_with("GLIBC_TUNABLES=")) variables.emplace_back(*variable);
  }
  return variables;
}

// Runs the program to its end; its exit status as waitpid gives it.
Result<int> run_to_end(std::vector<std::string> arguments, int output) {
  std::vector<std::string> variables = environment_for_fio();
  const SpawnSetUp set_up(output);
  pid_t child = -1;
  const int refused = ::posix_spawnp(&child, arguments.front().c_str(), set_up.actions(), set_up.attributes(),
                                     pointers(arguments).data(), pointers(variables).data());
  if (refused == ENOENT) return fail(ErrorCode::kNotFound, "{} is not installed", arguments.front());
  if (refused != 0) return fail(ErrorCode::kIo, "{}: {}", arguments.front(), errno_text(refused));
  int status = 0;
  while (::waitpid(child, &status, 0) < 0) {
    if (errno != EINTR)
      return fail(ErrorCode::kIo, "waiting for {}: {}", arguments.front(), errno_text(errno));
  }
  return status;
}

Result<std::string> all_of(const File& file) {
  SLUICE_ASSIGN(const uint64_t size_bytes, file.size_bytes());
  std::string text(size_bytes, '\0');
  SLUICE_TRY(file.read_exactly(0, std::as_writable_bytes(std::span(text))));
  return text;
}

std::string_view end_of(std::string_view text) {
  while (!text.empty() && text.back() == '\n') text.remove_suffix(1);
  return text.substr(text.size() - std::min(text.size(), kSaidLimitBytes));
}

// A name for an open file of this process that other processes can open: short and without white space, which
// fio's log does not allow.
std::string name_for_others(const File& file) {
  return fmt::format("/proc/{}/fd/{}", ::getpid(), file.descriptor());
}

// `text` in memory, to be read by name.
Result<File> file_of(std::string_view text) {
  File file(::memfd_create("fio-input", MFD_CLOEXEC));
  if (file.descriptor() < 0) return fail(ErrorCode::kIo, "no room for fio's input: {}", errno_text(errno));
  while (!text.empty()) {
    const ssize_t written = ::write(file.descriptor(), text.data(), text.size());
    if (written < 0) return fail(ErrorCode::kIo, "no room for fio's input: {}", errno_text(errno));
    text.remove_prefix(static_cast<size_t>(written));
  }
  return file;
}

// A number at a path of keys.
std::optional<double> number_at(const json& report, std::string_view pointer) {
  const json::json_pointer at{std::string(pointer)};
  if (!report.contains(at) || !report.at(at).is_number()) return std::nullopt;
  return report.at(at).get<double>();
}

}  // namespace

std::vector<std::string> fio_arguments(const FioJob& job, const std::string& log) {
  return {"fio",
          "--name=reads",
          "--read_iolog=" + log,
          "--replay_no_stall=1",
          "--readonly",
          fmt::format("--iodepth={}", job.depth),
          fmt::format("--direct={}", job.direct ? 1 : 0),
          fmt::format("--ioengine={}", job.uses_io_uring ? "io_uring" : "libaio"),
          "--invalidate=0",
          "--output-format=json"};
}

std::string fio_log(std::span<const FioRead> reads, std::span<const std::string> names) {
  std::string log = "fio version 2 iolog\n";
  for (const std::string& name : names) log += fmt::format("{0} add\n{0} open\n", name);
  for (const FioRead& read : reads) {
    log += fmt::format("{} read {} {}\n", names[read.file], read.offset_bytes, read.size_bytes);
  }
  for (const std::string& name : names) log += name + " close\n";
  return log;
}

Result<FioFigures> run_fio(const FioJob& job) {
  std::vector<File> files;
  std::vector<std::string> names;
  for (const auto& path : job.files) {
    SLUICE_ASSIGN(File file, File::open_read(path));
    names.push_back(name_for_others(file));
    files.push_back(std::move(file));
  }
  SLUICE_ASSIGN(const File log, file_of(fio_log(job.reads, names)));
  const File output(::memfd_create("fio-output", MFD_CLOEXEC));
  if (output.descriptor() < 0) return fail(ErrorCode::kIo, "no room for fio's output: {}", errno_text(errno));
  SLUICE_ASSIGN(const int status, run_to_end(fio_arguments(job, name_for_others(log)), output.descriptor()));
  SLUICE_ASSIGN(const std::string said, all_of(output));
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
    return fail(ErrorCode::kIo, "fio failed: {}", end_of(said));
  }
  return parse_fio_report(said);
}

Result<FioFigures> parse_fio_report(std::string_view report) {
  const size_t begin = report.find('{');
  const size_t end = report.rfind('}');
  if (begin != std::string_view::npos && end != std::string_view::npos && begin < end) {
    const json parsed = json::parse(report.substr(begin, end - begin + 1), nullptr, false);
    const auto rate = number_at(parsed, "/jobs/0/read/bw_bytes");
    const auto median = number_at(parsed, "/jobs/0/read/clat_ns/percentile/50.000000");
    const auto p99 = number_at(parsed, "/jobs/0/read/clat_ns/percentile/99.000000");
    if (rate && median && p99) {
      return FioFigures{*rate, static_cast<uint64_t>(*median), static_cast<uint64_t>(*p99)};
    }
  }
  return fail(ErrorCode::kIo, "fio's report has no figures of reads: {}", end_of(report));
}

}  // namespace sluice

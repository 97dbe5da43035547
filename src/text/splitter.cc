#include "text/splitter.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <array>
#include <utility>

#include "base/fail.h"
#include "text/utf8.h"

namespace sluice {
namespace {

template <auto kFree>
struct Freer {
  template <class T>
  void operator()(T* object) const {
    kFree(object);
  }
};
using Code = std::unique_ptr<pcre2_code, Freer<pcre2_code_free>>;
using MatchData = std::unique_ptr<pcre2_match_data, Freer<pcre2_match_data_free>>;
using MatchContext = std::unique_ptr<pcre2_match_context, Freer<pcre2_match_context_free>>;

// Bounds on one search, so that a hostile pattern costs a fraction of a second and not the machine.
constexpr uint32_t kMatchLimit = 2'000'000;
constexpr uint32_t kHeapLimitKib = 256 * 1024;

struct Found {
  enum class Kind { kMatch, kNone, kLimit };
  Kind kind = Kind::kNone;
  size_t begin = 0;
  size_t end = 0;
};

std::string pcre2_message(int code) {
  std::array<PCRE2_UCHAR, 256> buffer{};
  pcre2_get_error_message(code, buffer.data(), buffer.size());
  return reinterpret_cast<const char*>(buffer.data());
}

}  // namespace

struct Splitter::Pattern {
  Code code;
  MatchContext context;

  Found find(std::string_view piece, size_t from, pcre2_match_data* data) const {
    const auto* subject = reinterpret_cast<PCRE2_SPTR>(piece.data());
    int matched =
        pcre2_match(code.get(), subject, piece.size(), from, PCRE2_NO_UTF_CHECK, data, context.get());
    // Compiled patterns have a small stack; the interpreter uses the heap.
    if (matched == PCRE2_ERROR_JIT_STACKLIMIT) {
      matched = pcre2_match(code.get(), subject, piece.size(), from, PCRE2_NO_UTF_CHECK | PCRE2_NO_JIT, data,
                            context.get());
    }
    if (matched == PCRE2_ERROR_NOMATCH) return {Found::Kind::kNone};
    if (matched < 0) return {Found::Kind::kLimit};
    const size_t* ends = pcre2_get_ovector_pointer(data);
    return {Found::Kind::kMatch, ends[0], ends[1]};
  }

  void split(std::string_view piece, pcre2_match_data* data, std::vector<std::string_view>& into) const {
    size_t cut = 0;
    size_t from = 0;
    while (from <= piece.size()) {
      const Found found = find(piece, from, data);
      // \K can report a match that begins before the last one ended; it cannot be cut out.
      if (found.kind != Found::Kind::kMatch || found.begin < cut || found.end < found.begin) break;
      if (found.begin > cut) into.push_back(piece.substr(cut, found.begin - cut));
      if (found.end > found.begin) into.push_back(piece.substr(found.begin, found.end - found.begin));
      cut = from = found.end;
      if (found.end == found.begin) {  // an empty match cuts here; the next search starts a character further
        from += found.end < piece.size() ? utf8_step(piece.substr(found.end)).length_bytes : 1;
      }
    }
    if (cut < piece.size()) into.push_back(piece.substr(cut));
  }
};

Splitter::Splitter(std::vector<std::unique_ptr<Pattern>> patterns) : patterns_(std::move(patterns)) {}
Splitter::Splitter(Splitter&&) noexcept = default;
Splitter& Splitter::operator=(Splitter&&) noexcept = default;
Splitter::~Splitter() = default;

Result<Splitter> Splitter::compile(const std::vector<std::string>& patterns) {
  std::vector<std::unique_ptr<Pattern>> compiled;
  for (const std::string& pattern : patterns) {
    int error = 0;
    PCRE2_SIZE offset = 0;
    Code code(pcre2_compile(reinterpret_cast<PCRE2_SPTR>(pattern.data()), pattern.size(),
                            PCRE2_UTF | PCRE2_UCP | PCRE2_NEVER_BACKSLASH_C, &error, &offset, nullptr));
    if (!code) {
      return fail(ErrorCode::kUnsupported, "the regular expression \"{}\" does not compile: {} at byte {}",
                  pattern, pcre2_message(error), offset);
    }
    // Without JIT (another cpu, a kernel that forbids it) the interpreter gives the same matches, more
    // slowly.
    pcre2_jit_compile(code.get(), PCRE2_JIT_COMPLETE);
    MatchContext context(pcre2_match_context_create(nullptr));
    if (!context) return fail(ErrorCode::kOutOfBudget, "no memory for a regular expression's context");
    pcre2_set_match_limit(context.get(), kMatchLimit);
    pcre2_set_heap_limit(context.get(), kHeapLimitKib);
    compiled.push_back(std::make_unique<Pattern>(Pattern{std::move(code), std::move(context)}));
  }
  return Splitter(std::move(compiled));
}

std::vector<std::string_view> Splitter::split(std::string_view text) const {
  std::vector<std::string_view> pieces;
  if (text.empty()) return pieces;
  pieces.push_back(text);
  const MatchData data(pcre2_match_data_create(1, nullptr));
  if (!data) return pieces;
  for (const auto& pattern : patterns_) {
    std::vector<std::string_view> finer;
    finer.reserve(pieces.size());
    for (const std::string_view piece : pieces) pattern->split(piece, data.get(), finer);
    pieces = std::move(finer);
  }
  return pieces;
}

}  // namespace sluice

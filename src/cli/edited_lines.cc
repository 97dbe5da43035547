#include "cli/edited_lines.h"

#include <langinfo.h>
#include <unistd.h>

#include <cerrno>
#include <clocale>
#include <cstdlib>
#include <cwchar>

#include "base/log.h"

namespace sluice {
namespace {

constexpr int kHistoryLines = 1000;

// A Ctrl-D typed while an answer was being written, when the terminal was in its line mode: Linux keeps it as
// a NUL, and hands out that NUL once editing has turned the line mode off.
constexpr char kCtrlD = '\x04';

// Line editing counts characters by the locale. Where that knows ASCII only, as in most containers, take
// UTF-8.
void use_utf8() {
  std::setlocale(LC_CTYPE, "");
  if (std::string_view(nl_langinfo(CODESET)) != "UTF-8") std::setlocale(LC_CTYPE, "C.UTF-8");
}

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? "" : value;
}

}  // namespace

std::filesystem::path history_path() {
  std::filesystem::path state = environment("XDG_STATE_HOME");
  if (state.empty()) {
    const std::string home = environment("HOME");
    if (home.empty()) return {};
    state = std::filesystem::path(home) / ".local/state";
  }
  return state / "sluice" / "chat_history";
}

std::unique_ptr<EditedLines> EditedLines::open(std::FILE* screen, const Interrupts& interrupts) {
  std::unique_ptr<EditedLines> lines(new EditedLines(interrupts));
  if (!lines->set_up(screen)) return nullptr;
  return lines;
}

bool EditedLines::set_up(std::FILE* screen) {
  use_utf8();
  editor_ = el_init("sluice", stdin, screen, stderr);
  history_ = history_init();
  if (editor_ == nullptr || history_ == nullptr) return false;
  el_set(editor_, EL_CLIENTDATA, this);
  el_set(
      editor_, EL_PROMPT, +[](EditLine* editor) {
        EditedLines* self = nullptr;
        el_get(editor, EL_CLIENTDATA, &self);
        return self->prompt_.data();
      });
  el_set(
      editor_, EL_GETCFN, +[](EditLine* editor, wchar_t* character) {
        EditedLines* self = nullptr;
        el_get(editor, EL_CLIENTDATA, &self);
        return self->next_character(character);
      });
  el_set(editor_, EL_EDITOR, "emacs");
  el_set(editor_, EL_SIGNAL, 0);
  el_set(editor_, EL_BIND, "^R", "em-inc-search-prev", nullptr);
  el_set(editor_, EL_BIND, "\\e[3~", "ed-delete-next-char", nullptr);
  el_source(editor_, nullptr);
  HistEvent event;
  history(history_, &event, H_SETSIZE, kHistoryLines);
  history(history_, &event, H_SETUNIQUE, 1);
  el_set(editor_, EL_HIST, history, history_);
  history_file_ = history_path().string();
  if (!history_file_.empty()) history(history_, &event, H_LOAD, history_file_.c_str());
  return true;
}

EditedLines::~EditedLines() {
  if (history_ != nullptr) history_end(history_);
  if (editor_ != nullptr) el_end(editor_);
}

Result<TypedLine> EditedLines::read(std::string_view prompt) {
  prompt_ = prompt;
  interrupted_ = false;
  el_resize(editor_);
  el_set(editor_, EL_PREP_TERM, 1);  // before the prompt: what is typed at once must not be echoed twice
  int count = 0;
  const char* typed = el_gets(editor_, &count);
  if (interrupted_) return TypedLine{TypedLine::Kind::kInterrupted, typed_before_interrupt_};
  if (typed == nullptr || count <= 0) return TypedLine{TypedLine::Kind::kEnd, {}};
  std::string line(typed, static_cast<size_t>(count));
  while (line.ends_with('\n') || line.ends_with('\r')) line.pop_back();
  if (!line.empty()) remember(line);
  return TypedLine{TypedLine::Kind::kLine, std::move(line)};
}

// Written after every line, so that a program that is killed loses nothing.
void EditedLines::remember(const std::string& line) {
  HistEvent event;
  history(history_, &event, H_ENTER, line.c_str());
  if (history_file_.empty()) return;
  std::error_code error;
  std::filesystem::create_directories(std::filesystem::path(history_file_).parent_path(), error);
  if (history(history_, &event, H_SAVE, history_file_.c_str()) < 0) {
    log_debug("the history could not be saved to {}", history_file_);
  }
}

// One character, assembled from its bytes. 1: there is one; 0: the end; -1: Ctrl-C or an error.
int EditedLines::next_character(wchar_t* character) {
  std::mbstate_t state{};
  while (true) {
    if (!wait_for_input(STDIN_FILENO, interrupts_)) {
      interrupted_ = true;
      const LineInfo* info = el_line(editor_);
      typed_before_interrupt_.assign(info->buffer, info->lastchar);
      return -1;
    }
    char byte = 0;
    const ssize_t count = ::read(STDIN_FILENO, &byte, 1);
    if (count < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (count <= 0) return static_cast<int>(count);
    if (byte == '\0') byte = kCtrlD;
    const size_t used = std::mbrtowc(character, &byte, 1, &state);
    if (used == static_cast<size_t>(-2)) continue;  // more bytes to come
    if (used == static_cast<size_t>(-1)) {
      state = {};
      *character = L'\uFFFD';
    }
    return 1;
  }
}

}  // namespace sluice

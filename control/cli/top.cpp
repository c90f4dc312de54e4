// `headgate top`: status, live, full screen. The terminal is ncurses' business, what it shows that of
// TopScreen.
#define NCURSES_NOMACROS  // they would rewrite names of ours
#include <curses.h>
#include <fmt/core.h>
#include <unistd.h>

#include <algorithm>
#include <clocale>
#include <cstdlib>
#include <string>
#include <vector>

#include "control/cli/client.h"
#include "control/cli/commands.h"
#include "control/cli/top_screen.h"
#include "control/cli/why.h"

namespace headgate::control {
namespace {

using nlohmann::json;
using Clock = std::chrono::steady_clock;

enum Paint : short { kPlain = 0, kRed = 1, kYellow = 2, kGreen = 3, kDim = 4 };

// Takes the terminal, and gives it back whatever happens.
class Terminal {
 public:
  Terminal() {
    std::setlocale(LC_ALL, "");
    ::initscr();
    ::cbreak();
    ::noecho();
    ::keypad(stdscr, TRUE);
    ::curs_set(0);
    if (std::getenv("NO_COLOR") == nullptr && ::has_colors() == TRUE) {
      ::start_color();
      ::use_default_colors();
      ::init_pair(kRed, COLOR_RED, -1);
      ::init_pair(kYellow, COLOR_YELLOW, -1);
      ::init_pair(kGreen, COLOR_GREEN, -1);
    }
  }
  ~Terminal() { ::endwin(); }
  Terminal(const Terminal&) = delete;
  Terminal& operator=(const Terminal&) = delete;

  static std::size_t rows() { return static_cast<std::size_t>(std::max(LINES, 3)); }
  static std::size_t columns() { return static_cast<std::size_t>(std::max(COLS, 20)); }

  static void draw(const std::vector<ScreenLine>& lines) {
    ::erase();
    for (std::size_t row = 0; row < lines.size(); ++row) {
      const ScreenLine& line = lines[row];
      attr_t look = line.bold ? A_BOLD : A_NORMAL;
      if (line.selected) look |= A_REVERSE;
      ::attr_set(look | (line.paint == "down" || line.paint == "critical" ? A_BOLD : A_NORMAL),
                 paint(line.paint), nullptr);
      ::mvaddstr(static_cast<int>(row), 0, line.text.c_str());
    }
    ::attr_set(A_NORMAL, 0, nullptr);
    ::refresh();
  }

  // ERR where none was pressed for so long.
  static int key(std::chrono::milliseconds patience) {
    ::timeout(static_cast<int>(std::max<std::int64_t>(0, patience.count())));
    return ::getch();
  }

 private:
  static short paint(const std::string& state) {
    if (state == "down" || state == "critical") return kRed;
    if (state == "degraded" || state == "warning" || state == "backup") return kYellow;
    return state == "ok" ? short{kGreen} : short{kPlain};
  }
};

std::vector<ScreenLine> as_lines(const std::string& text) {
  std::vector<ScreenLine> lines;
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::min(text.find('\n', at), text.size());
    lines.push_back({text.substr(at, end - at), "", false, false});
    at = end + 1;
  }
  return lines;
}

// The diagnosis of the selected channel until a key is pressed.
void show_why(const CommonOptions& common, const std::string& channel) {
  if (channel.empty()) return;
  const auto answer = ask(common, "why", {{"channel", channel}});
  const auto now = std::chrono::system_clock::now().time_since_epoch();
  std::string text =
      answer ? render_why(*answer, std::chrono::duration_cast<std::chrono::nanoseconds>(now).count(), false)
             : answer.error() + "\n";
  std::vector<ScreenLine> lines = as_lines(text + "(any key: back)\n");
  // The culprit stands at the end: what does not concern the channel makes room for it.
  if (lines.size() > Terminal::rows())
    std::erase_if(lines, [](const ScreenLine& line) { return line.text.starts_with("--"); });
  Terminal::draw(lines);
  Terminal::key(std::chrono::hours(1));
}

// A line at the foot of the screen; Enter takes it, Escape leaves things as they were.
std::string read_pattern(TopScreen& screen) {
  const std::string before = screen.pattern();
  std::string typed;
  for (;;) {
    auto lines = screen.lines(Terminal::rows(), Terminal::columns());
    lines.back() = {"find (shell pattern, as sport*): " + typed + "_", "", false, true};
    Terminal::draw(lines);
    const int key = Terminal::key(std::chrono::hours(1));
    if (key == 27) return before;
    if (key == '\n' || key == KEY_ENTER) break;
    if ((key == KEY_BACKSPACE || key == 127 || key == 8) && !typed.empty()) typed.pop_back();
    if (key >= 32 && key < 127 && typed.size() < 64) typed += static_cast<char>(key);
  }
  const bool plain = typed.find_first_of("*?[") == std::string::npos;
  return typed.empty() || !plain ? typed : "*" + typed + "*";
}

// False at the end.
bool press(const CommonOptions& common, int key, TopScreen& screen) {
  const int page = static_cast<int>(Terminal::rows()) - 4;
  switch (key) {
    case 'q':
    case 3:
      return false;
    case KEY_UP:
    case 'k':
      screen.move(-1);
      break;
    case KEY_DOWN:
    case 'j':
      screen.move(1);
      break;
    case KEY_PPAGE:
      screen.move(-page);
      break;
    case KEY_NPAGE:
    case ' ':
      screen.move(page);
      break;
    case KEY_HOME:
      screen.move(-1'000'000);
      break;
    case KEY_END:
      screen.move(1'000'000);
      break;
    case '\n':
    case KEY_ENTER:
      show_why(common, screen.selected());
      break;
    case '/':
      screen.look_for(read_pattern(screen));
      screen.sort_by(screen.order());
      break;
    default: {
      constexpr std::pair<char, const char*> kOrders[] = {{'s', "state"},  {'i', "id"},      {'b', "bitrate"},
                                                          {'e', "errors"}, {'v', "viewers"}, {'n', "since"}};
      for (const auto& [letter, order] : kOrders) {
        if (key == letter) screen.sort_by(order);
      }
    }
  }
  return true;
}

}  // namespace

int top_command(const CommonOptions& common, const TopOptions& options, const ChannelFilter& filter) {
  if (::isatty(STDOUT_FILENO) == 0 || ::isatty(STDIN_FILENO) == 0)
    return fail(common, "top needs a terminal; headgate status prints the same once");
  TopScreen screen(filter, options.sort);
  auto status = ask(common, "status", json::object());
  if (!status) return fail(common, status.error());
  const Terminal terminal;
  std::string note;
  for (auto next = Clock::now();;) {
    const auto now = Clock::now();
    if (now >= next) {
      status = ask(common, "status", json::object());
      const auto alarms = ask(common, "alarms", json::object());
      note = status && alarms ? "" : "! " + (status ? alarms.error() : status.error());
      if (status && alarms) screen.take(*status, *alarms);
      next = now + options.every;
    }
    Terminal::draw(screen.lines(Terminal::rows(), Terminal::columns(), note));
    const int key = Terminal::key(std::chrono::duration_cast<std::chrono::milliseconds>(next - Clock::now()) +
                                  std::chrono::milliseconds(1));
    if (key != ERR && key != KEY_RESIZE && !press(common, key, screen)) return 0;
  }
}

}  // namespace headgate::control

#include "config/load/report.h"

#include <fmt/format.h>

#include <algorithm>
#include <numeric>
#include <tuple>

namespace headgate::config {
namespace {

// A map of nothing but errors must not fill the memory with messages.
constexpr std::size_t kMaxEntries = 20000;

// Edits (insert, delete, replace, swap of neighbours) that turn a into b.
std::size_t distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> before(b.size() + 1), last(b.size() + 1), now(b.size() + 1);
  std::iota(last.begin(), last.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    now[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t replace = last[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      now[j] = std::min({last[j] + 1, now[j - 1] + 1, replace});
      if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
        now[j] = std::min(now[j], before[j - 2] + 1);
      }
    }
    std::swap(before, last);
    std::swap(last, now);
  }
  return last[b.size()];
}

}  // namespace

int Report::add_file(std::string shown_name) {
  files_.push_back(std::move(shown_name));
  return static_cast<int>(files_.size()) - 1;
}

void Report::add(Place place, Severity severity, std::string message) {
  if (entries_.size() >= kMaxEntries) return;
  if (!known_.emplace(place.file, place.line, place.column, message).second) return;
  entries_.push_back({place, severity, std::move(message)});
}

void Report::error(Place place, std::string message) {
  has_errors_ = true;
  add(place, Severity::error, std::move(message));
}

void Report::warning(Place place, std::string message) { add(place, Severity::warning, std::move(message)); }

std::string Report::where(Place place) const {
  return fmt::format("{}:{}", file_name(place.file), place.line);
}

std::vector<Diagnostic> Report::take() const {
  std::vector<Entry> sorted = entries_;
  std::stable_sort(sorted.begin(), sorted.end(), [](const Entry& a, const Entry& b) {
    return std::tie(a.place.file, a.place.line, a.place.column) <
           std::tie(b.place.file, b.place.line, b.place.column);
  });
  std::vector<Diagnostic> out;
  out.reserve(sorted.size());
  for (const Entry& entry : sorted) {
    out.push_back(
        {file_name(entry.place.file), entry.place.line, entry.place.column, entry.severity, entry.message});
  }
  return out;
}

std::string suggestion(std::string_view wrong, const std::vector<std::string>& known) {
  if (wrong.size() > 64) return "";
  const std::size_t limit = wrong.size() <= 3 ? 1 : wrong.size() <= 6 ? 2 : 3;
  std::size_t best = limit + 1;
  const std::string* name = nullptr;
  for (const std::string& candidate : known) {
    if (candidate.empty() || candidate == wrong) continue;
    const std::size_t edits = distance(wrong, candidate);
    if (edits < best && edits < candidate.size()) {
      best = edits;
      name = &candidate;
    }
  }
  return name != nullptr ? fmt::format(" (did you mean '{}'?)", *name) : "";
}

std::string shown(std::string_view text) {
  constexpr std::size_t kMaxShown = 80;
  std::string out;
  for (const char c : text) {
    if (out.size() >= kMaxShown) {
      while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0xC0) == 0x80) out.pop_back();
      if (!out.empty() && static_cast<unsigned char>(out.back()) >= 0xC0) out.pop_back();
      return out + "...";
    }
    out += static_cast<unsigned char>(c) < 0x20 || c == 0x7f ? '?' : c;
  }
  return out;
}

std::string to_string(const Diagnostic& diagnostic) {
  const char* severity = diagnostic.severity == Severity::error ? "error" : "warning";
  return fmt::format("{}:{}:{}: {}: {}", diagnostic.file, diagnostic.line, diagnostic.column, severity,
                     diagnostic.message);
}

}  // namespace headgate::config

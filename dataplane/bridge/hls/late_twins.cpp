#include "dataplane/bridge/hls/late_twins.h"

#include <algorithm>
#include <utility>

namespace headgate::bridge::hls {

bool LateTwins::add(Twin& twin, SegmentItem item, std::span<const std::uint8_t> packets) {
  if (twin.bytes.make_room(packets.size(), most_) != BudgetedBytes::Room::yes) return false;
  item.offset = twin.bytes.size();
  twin.bytes.append(packets);
  twin.items.push_back(item);
  return true;
}

void LateTwins::keep(const Segment& segment, std::span<const SegmentFile> parts,
                     const std::vector<bool>& awaited, std::span<const std::uint8_t> bytes,
                     std::span<const SegmentItem> items) {
  Late late{segment, {}};
  for (std::size_t p = 0; p < parts.size(); ++p) {
    if (!awaited[p]) continue;
    Twin& twin = late.twins.emplace_back(Twin{parts[p].track, p, BudgetedBytes(budget_), {}});
    for (const SegmentItem& item : items) {
      if (item.track == twin.track) add(twin, item, bytes.subspan(item.offset, item.size));
    }
  }
  if (!late.twins.empty()) late_.push_back(std::move(late));
}

LateTwins::Taken LateTwins::take(const SegmentItem& item, std::span<const std::uint8_t> packets) {
  for (Late& late : late_) {
    const auto twin = std::find_if(late.twins.begin(), late.twins.end(),
                                   [&](const Twin& t) { return t.track == item.track; });
    if (twin == late.twins.end()) continue;
    if (item.pts < late.segment.start_pts) return Taken::early;
    if (item.pts < late.segment.end_pts) {
      return add(*twin, item, packets) ? Taken::yes : Taken::full;
    }
    end(late, static_cast<std::size_t>(twin - late.twins.begin()));
  }
  while (!late_.empty() && late_.front().twins.empty()) late_.pop_front();
  return Taken::no;
}

void LateTwins::end(Late& late, std::size_t at) {
  const Twin twin = std::move(late.twins[at]);
  late.twins.erase(late.twins.begin() + static_cast<std::ptrdiff_t>(at));
  SegmentFile file;
  build_part(*late.segment.configuration, late.segment.k, twin.track, late.segment.start_pts,
             twin.bytes.all(), twin.items, file);
  on_part_(late.segment.k, twin.part, file);
}

void LateTwins::end_before(std::int64_t time) {
  for (Late& late : late_) {
    if (late.segment.end >= time) break;
    while (!late.twins.empty()) end(late, 0);
  }
  while (!late_.empty() && late_.front().twins.empty()) late_.pop_front();
}

}  // namespace headgate::bridge::hls

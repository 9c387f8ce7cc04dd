// Weight scales such that biases fit into int32.
#pragma once

#include "q/graph.h"
#include "q/pass.h"

namespace q {

// A bias is an integer of scale (input scale * weight scale). Where that leaves no room in int32 for it
// beside the sum of products, the weight scale of its channel is raised until there is: weights that small
// matter little, and the bias is the channel. Each node so mended is told. Precondition: parameters are
// chosen.
void give_room_to_biases(Graph& graph, Changes& changes);

}  // namespace q

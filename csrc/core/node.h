/* node.h -- references to tape nodes, as tensors hold them. The tape implements both functions;
 * what a node is stands in autograd/tape.h and does not matter here. */
#ifndef CJ_NODE_H
#define CJ_NODE_H

struct cj_node;

/* One more reference to n, which is also returned; NULL gives NULL. */
struct cj_node *cj_node_keep(struct cj_node *n);

/* Gives one reference back; frees chains of any length without recursion. NULL is allowed. */
void cj_node_drop(struct cj_node *n);

#endif
